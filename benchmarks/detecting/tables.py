"""Tables: rows whose columns have different units, compared with common methods."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

import isthmus
from common import write
from isthmus.data.column_ranges import ranges_of
from isthmus.jobs.anomaly.calibrate import calibrate
from isthmus.metrics import auroc

SEEDS = (0, 1, 2)
Score = Callable[[np.ndarray], np.ndarray]


def sensors(count: int, seed: int) -> np.ndarray:
    """rpm, temperature and vibration of a machine, which hang together: 10,000 to 12,000, 20 to 30, .01 to .02."""
    random = np.random.RandomState(seed)
    load = random.rand(count, 1)
    return np.asarray((10000, 20, 0.01) + load * (2000, 10, 0.01) + random.randn(count, 3) * (20, 0.2, 0.0002))


def cancer(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of breast cancer Wisconsin (in scikit-learn) 250 benign rows to learn from, the other 107, and 212 malignant."""
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    benign = found.data[found.target == 1]
    benign = benign[np.random.RandomState(seed).permutation(len(benign))]
    return benign[:250], benign[250:], found.data[found.target == 0]


def usual(good: np.ndarray) -> dict[str, Score]:
    """What people use for tables; nothing is chosen."""
    from sklearn.covariance import LedoitWolf
    from sklearn.ensemble import IsolationForest
    from sklearn.svm import OneClassSVM

    mean, spread = good.mean(0), good.std(0) + 1e-9
    forest, whole = IsolationForest(random_state=0).fit(good), LedoitWolf().fit((good - mean) / spread)
    svm = OneClassSVM(nu=0.1, gamma="scale").fit((good - mean) / spread)
    return {
        "sum of squared z-scores": lambda x: np.asarray((((x - mean) / spread) ** 2).sum(1)),
        "IsolationForest": lambda x: -forest.score_samples(x),
        "Mahalanobis, shrunk": lambda x: np.asarray(whole.mahalanobis((x - mean) / spread)),
        "one-class SVM, scaled": lambda x: -svm.decision_function((x - mean) / spread),
    }


def learned(good: np.ndarray, seed: int, **keys: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return isthmus.train("detect", good, out=Path(folder) / "run", seed=seed, quiet=True, **keys)


def tables() -> None:
    began = time.perf_counter()
    good, other = sensors(2000, 1), sensors(400, 2)
    faults = {"temperature + 40": (1, 65.0), "vibration × 20": (2, 0.3), "vibration .1": (2, 0.1), "rpm 0": (0, 0.0)}
    scores: dict[str, Score] = {"isthmus detect": score_of(learned(good, 0).model), **usual(good)}
    rows: list[dict[str, Any]] = []
    for name, (column, value) in faults.items():
        bad = sensors(400, 3)
        bad[:, column] = value
        truth = np.repeat([False, True], 400)
        rows.append(
            {"set": f"sensors: {name}"}
            | {label: auroc(np.concatenate([score(other), score(bad)]), truth) for label, score in scores.items()}
        )
    found: dict[str, list[float]] = {}
    for seed in SEEDS:
        good, other, bad = cancer(seed)
        truth = np.repeat([False, True], [len(other), len(bad)])
        for label, score in {"isthmus detect": score_of(learned(good, seed).model), **usual(good)}.items():
            found.setdefault(label, []).append(auroc(np.concatenate([score(other), score(bad)]), truth))
        print(seed, {label: round(values[-1], 4) for label, values in found.items()}, flush=True)
    rows.append({"set": "breast cancer"} | {label: fmean(values) for label, values in found.items()})
    write(
        "anomaly-tables",
        "AUROC. Sensors: 2,000 rows learned from, 400 others beside 400 with a fault in one column. Breast cancer: 250 "
        f"benign rows learned from, the other 107 beside 212 malignant ones, mean of splits and seeds {SEEDS}",
        rows,
        time.perf_counter() - began,
    )


def score_of(model: Any) -> Score:
    return lambda x: np.asarray(model.detect(x).score)


# -- how the defaults for tables were chosen: no anomaly of the sets above is looked at --

CODES = (0.25, 0.5, 1.0)  # of the columns
SCORES = (
    "error",
    "covariance",
    "deviation",
    "error+covariance",
    "error+deviation",
    "covariance+deviation",
    "error+covariance+deviation",
    "error+mahalanobis",
)
TRIED: list[dict[str, Any]] = [
    *({"score": score, "relative": False, "pool": "mean"} for score in SCORES),
    {"score": "error+covariance", "relative": True, "pool": "mean"},
    {"score": "error+covariance", "relative": False, "pool": "max"},
]


def made_of(x: np.ndarray) -> dict[str, np.ndarray]:
    """Anomalies made of good rows: one value of another row, half of them, one moved, all a little, all stretched, one
    is 0, and more of the same: on along the direction in which good rows vary most."""
    random, count = np.random.default_rng(0), len(x)
    low, high = map(np.array, ranges_of(x))
    one = np.arange(count), random.integers(0, x.shape[1], count)
    mixed = np.stack([column[random.permutation(count)] for column in x.T], 1)
    sign = random.choice([-1, 1], x.shape)
    swapped, moved, zero = x.copy(), x.copy(), x.copy()
    swapped[one] = mixed[one]
    moved[one] += ((high - low)[one[1]] * random.uniform(0.3, 1, count)) * sign[one]
    zero[one] = 0
    middle, spread = np.median(x, 0), x.std(0) + 1e-9
    _, values, ways = np.linalg.svd((x - x.mean(0)) / spread, full_matrices=False)
    far = random.uniform(1, 3, (count, 1)) * values[0] / np.sqrt(count) * sign[:, :1]
    return {
        "one of another row": swapped,
        "half of others": np.where(random.random(x.shape) < 0.5, mixed, x),
        "one moved": moved,
        "noise": x + (high - low) * sign * 0.15,
        "stretched": middle + (x - middle) * 1.7,
        "one is 0": zero,
        "more of the same": x + far * ways[0] * spread,
    }


def others() -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Set -> (good rows, real anomalies or None). Of wine, iris and digits one class is good and the others are not."""
    from sklearn.datasets import load_digits, load_iris, load_wine

    found: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
    for name, load, kinds in (
        ("wine", load_wine, (0, 1, 2)),
        ("iris", load_iris, (0, 1, 2)),
        ("digits", load_digits, (1, 8)),
    ):
        rows = load()
        found |= {f"{name} {kind}": (rows.data[rows.target == kind], rows.data[rows.target != kind]) for kind in kinds}
    data = Path(os.environ.get("ISTHMUS_DATA", "data"))
    ett = np.genfromtxt(data / "ett/ETTh1.csv", delimiter=",", skip_header=1)
    return found | {
        "benign": (cancer(0)[0], None),
        "sensors": (sensors(2000, 1), None),
        "ett": (ett[:6000:2, 1:], None),  # its first 6,000 hours are of the usual training part
    }


def choice_tables() -> None:
    began = time.perf_counter()
    scores: dict[str, dict[str, list[float]]] = {}
    for name, (rows, real) in others().items():
        rows = rows[np.random.RandomState(1).permutation(len(rows))]
        judged, good = rows[: len(rows) // 4], rows[len(rows) // 4 :]
        bad = made_of(judged) | ({"real": real} if real is not None else {})

        def add(label: str, score: Score, judged: np.ndarray = judged, bad: dict[str, np.ndarray] = bad) -> None:
            own = score(judged)
            for way, x in bad.items():
                truth = np.repeat([False, True], [len(own), len(x)])
                found = auroc(np.concatenate([own, score(x)]), truth)
                scores.setdefault(label, {}).setdefault(way, []).append(found)

        for label, score in usual(good).items():
            add(label, score)
        for share in CODES:
            run = learned(good, 0, code=max(1, round(share * rows.shape[1])), test=0.0)
            run.model.path = None
            for asked in TRIED:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    calibrate(run.model, run.data, run.parts, smooth=0.0, **asked)
                label = f"code {share:g} of the columns, " + ", ".join(f"{key} {value}" for key, value in asked.items())
                add(label, score_of(run.model))
        print(
            name, {label: round(fmean(v[-1] for v in ways.values()), 3) for label, ways in scores.items()}, flush=True
        )
    found = [
        {"choice": label, "mean": fmean(fmean(values) for values in ways.values())}
        | {way: fmean(values) for way, values in ways.items()}
        for label, ways in scores.items()
    ]
    write(
        "anomaly-choice-tables",
        "A quarter of the good rows is held against seven kinds of anomaly made of itself, and against the other "
        "classes of wine, iris and digits (real); of the others 90 % are learned from, 10 % calibrate; AUROC, means of "
        f"{', '.join(others())}; seed 0; no malignant row is looked at",
        sorted(found, key=lambda row: -float(row["mean"])),
        time.perf_counter() - began,
    )
