"""How the default scores were chosen: on anomalies synthesized from items of the training part alone."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

import isthmus
from common import write
from detecting.synthesized import ROWS, SMALL
from isthmus.data import open_data
from isthmus.jobs.anomaly.calibrate import calibrate
from isthmus.metrics import auroc

CLASSES = {"mnist": (2, 4, 8), "fashion-mnist": (0, 3, 7)}
SCORES = ("error", "ssim", "knn", "mahalanobis", "error+knn", "error+ssim", "ssim+knn", "error+ssim+knn")
CHOICES: list[dict[str, Any]] = [
    *({"score": score, "pool": pool} for score in SCORES for pool in ("mean", "worst")),
    *(
        {"score": "error+ssim+knn", "pool": "worst", **other}
        for other in ({"smooth": 0.0}, {"relative": False}, {"k": 5})
    ),
]
KINDS = ("undercomplete", "denoising", "variational")


def choice() -> None:
    began = time.perf_counter()
    scores: dict[str, list[float]] = {}
    for name, classes in CLASSES.items():
        data = open_data(name)
        assert data.labels is not None
        train = data.parts["train"]
        pictures, labels = data.batch(train).numpy()[:, 0], data.labels[train]
        for kind in classes:
            good = pictures[labels == kind]
            good = good[np.random.default_rng(0).permutation(len(good))]
            judged, learned = good[: len(good) // 10], good[len(good) // 10 :]
            bad = {way: make(judged, np.random.default_rng(1)) for way, make in SMALL.items()}
            for net in KINDS:
                choices = CHOICES if net == "denoising" else CHOICES[-4:-3]
                for label, value in candidates(learned, judged, bad, choices, kind=net).items():
                    scores.setdefault(label, []).append(value)
            print(name, kind, {label: round(values[-1], 4) for label, values in scores.items()}, flush=True)
    half = len(CLASSES["mnist"])
    rows = [
        {"choice": label, "mean": fmean(values), "mnist": fmean(values[:half]), "fashion": fmean(values[half:])}
        for label, values in scores.items()
    ]
    write(
        "anomaly-choice",
        f"One class is good: {CLASSES}, official training pictures only. Learned from 81 %, calibrated by 9 %; the "
        f"other 10 % are held against {len(SMALL)} kinds of anomaly made of themselves; mean AUROC, seed 0",
        sorted(rows, key=lambda row: -float(row["mean"])),
        time.perf_counter() - began,
    )


# Of rows: what is asked of one net, and what nets are asked.
ROW_CHOICES: list[dict[str, Any]] = [
    {"score": score, "pool": pool, "smooth": smooth, "relative": relative}
    for score in ("error", "knn", "error+knn", "mahalanobis", "error+mahalanobis")
    for pool in ("mean", "worst")
    for smooth in (0.0, 2.0)
    for relative in (True, False)
]
ROW_NETS: tuple[dict[str, Any], ...] = ({}, {"code": 8}, {"code": 16}, {"kind": "undercomplete"})


def choice_rows() -> None:
    began = time.perf_counter()
    beats = np.loadtxt(Path(os.environ.get("ISTHMUS_DATA", "data")) / "ecg5000/ECG5000_TRAIN.txt", dtype=np.float32)
    good = beats[beats[:, 0] == 1, 1:]
    scores: dict[str, list[float]] = {}
    for seed in range(3):
        mixed = good[np.random.default_rng(seed).permutation(len(good))]
        judged, learned = mixed[: len(good) // 5], mixed[len(good) // 5 :]
        bad = {way: make(judged, np.random.default_rng(seed)) for way, make in ROWS.items()}
        for net in ROW_NETS:
            for label, value in candidates(learned, judged, bad, ROW_CHOICES, seed=seed, **net).items():
                scores.setdefault(label, []).append(value)
    rows = [{"choice": label, "mean": fmean(values), "sd_of_seeds": stdev(values)} for label, values in scores.items()]
    write(
        "anomaly-choice-rows",
        f"The {len(good)} normal beats of ECG5000's training file: a fifth is held against {len(ROWS)} kinds of "
        "anomaly made of itself, of the others 90 % are learned from and 10 % calibrate; mean AUROC of seeds (0, 1, 2)",
        sorted(rows, key=lambda row: -float(row["mean"])),
        time.perf_counter() - began,
    )


def candidates(
    learned: np.ndarray,
    judged: np.ndarray,
    bad: dict[str, np.ndarray],
    choices: Sequence[dict[str, Any]],
    seed: int = 0,
    **net: Any,
) -> dict[str, float]:
    """Choice -> the mean AUROC over the ways to make anomalies; one net, looked at in each way."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = isthmus.train("detect", learned, out=Path(folder) / "run", seed=seed, test=0.0, quiet=True, **net)
        model, found = run.model, {}
        model.path = None
        for asked in choices:
            calibrate(model, run.data, run.parts, **asked)
            good = np.asarray(model.detect(judged).score)
            truth = np.repeat([False, True], len(good))
            values = [auroc(np.concatenate([good, np.asarray(model.detect(x).score)]), truth) for x in bad.values()]
            found[f"{label_of(net) or 'default'}: {label_of(asked)}"] = fmean(values)
    return found


def label_of(keys: dict[str, Any]) -> str:
    return ", ".join(str(value) if type(value) is str else f"{key} {value}" for key, value in keys.items())
