"""Plain baselines for small images and rows with common settings, not tuned on the results."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

COMPONENTS, CODES, FITTED = 32, 64, 3000  # of PCA; for neighbors; rows that the support vectors are fitted on
Score = Callable[[np.ndarray], np.ndarray]


def baselines(good: np.ndarray) -> dict[str, Score]:
    """PCA's error, the nearest neighbor by PCA's codes and by the numbers, one-class SVMs of the codes, as they are and
    scaled: either is better on some set."""
    from sklearn.decomposition import PCA
    from sklearn.neighbors import NearestNeighbors
    from sklearn.svm import OneClassSVM

    x, scale = flat(good), float(good.max())
    few, many = PCA(min(COMPONENTS, x.shape[1]), random_state=0), PCA(min(CODES, x.shape[1]), random_state=0)
    few.fit(x / scale)
    codes = many.fit_transform(x / scale)
    near = NearestNeighbors(n_neighbors=1).fit(codes)
    spread = codes.std(0) + 1e-9
    some = np.random.default_rng(0).permutation(len(codes))[:FITTED]
    plain, scaled = (OneClassSVM(nu=0.1, gamma="scale").fit(codes[some] / by) for by in (1.0, spread))

    def error(y: np.ndarray) -> np.ndarray:
        z = flat(y) / scale
        return np.asarray(np.square(few.inverse_transform(few.transform(z)) - z).sum(1))

    return {
        f"PCA {COMPONENTS}, error": error,
        f"1-NN on PCA {CODES}": lambda y: near.kneighbors(many.transform(flat(y) / scale))[0][:, 0],
        "1-NN": lambda y: nearest(x, flat(y)),
        f"one-class SVM on PCA {CODES}": lambda y: -plain.decision_function(many.transform(flat(y) / scale)),
        f"one-class SVM on PCA {CODES}, scaled": lambda y: (
            -scaled.decision_function(many.transform(flat(y) / scale) / spread)
        ),
    }


def nearest(good: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The squared distance to the nearest of `good`, N×D, exactly."""
    own = np.square(good).sum(1)
    return np.concatenate([(own - 2 * part @ good.T).min(1) + np.square(part).sum(1) for part in np.array_split(x, 20)])


def flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1).astype(np.float32)
