"""Plain baselines for small pictures and rows; their parameters are not chosen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

COMPONENTS, CODES, FITTED = 32, 64, 3000  # of PCA; for neighbours; rows that the support vectors are fitted on
Score = Callable[[np.ndarray], np.ndarray]


def baselines(good: np.ndarray) -> dict[str, Score]:
    """PCA's error, the nearest neighbour and a one-class SVM on PCA's codes."""
    from sklearn.decomposition import PCA
    from sklearn.neighbors import NearestNeighbors
    from sklearn.svm import OneClassSVM

    x, scale = flat(good), float(good.max())
    few, many = PCA(min(COMPONENTS, x.shape[1]), random_state=0), PCA(min(CODES, x.shape[1]), random_state=0)
    few.fit(x / scale)
    codes = many.fit_transform(x / scale)
    near = NearestNeighbors(n_neighbors=1).fit(codes)
    svm = OneClassSVM(nu=0.1, gamma="scale").fit(codes[np.random.default_rng(0).permutation(len(codes))[:FITTED]])

    def error(y: np.ndarray) -> np.ndarray:
        z = flat(y) / scale
        return np.asarray(np.square(few.inverse_transform(few.transform(z)) - z).sum(1))

    return {
        f"PCA {COMPONENTS}, error": error,
        f"1-NN on PCA {CODES}": lambda y: near.kneighbors(many.transform(flat(y) / scale))[0][:, 0],
        f"one-class SVM on PCA {CODES}": lambda y: -svm.decision_function(many.transform(flat(y) / scale)),
    }


def flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1).astype(np.float32)
