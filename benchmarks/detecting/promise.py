"""Whether the promised rate of false alarms holds for few normal items: over redraws of the calibration set."""

from __future__ import annotations

import math
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

import isthmus
from common import write
from isthmus.data import open_data
from isthmus.jobs.anomaly.detector import Detector, detector_of
from isthmus.jobs.anomaly.settings import Settings

SCORES = ("ssim", "error+mahalanobis", "error+ssim+knn")
ASKED = ((9, 0.1), (19, 0.05), (49, 0.02), (199, 0.05), (199, 0.01))  # calibration items, promised
LEARNED, OTHERS, REDRAWS = 5000, 4000, 2000  # pictures of the training part; sets drawn of the others
STEPS = 700  # of each whole training, one an epoch
TRAINED, KEPT, TRAININGS = 81, 9, 100  # of whole trainings: learned from, held back, repeated


def promise() -> None:
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    for name in ("mnist", "fashion-mnist"):
        data = open_data(name)
        drawn = np.random.default_rng(0).permutation(data.parts["train"])
        pictures = data.batch(drawn[: LEARNED + OTHERS]).numpy()[:, 0]
        rows += [{"good": name, **row} for row in of_one_net(pictures[:LEARNED], pictures[LEARNED:])]
        rows.append({"good": name, **of_trainings(pictures)})
        for row in rows[-1 - len(SCORES) * len(ASKED) :]:
            print(row, flush=True)
    write(
        "anomaly-promise",
        f"Pictures of the official training parts alone. One net learned from {LEARNED}; {REDRAWS} calibration sets "
        f"are drawn of {OTHERS} others, and the rate is that of the rest. Last rows: {TRAININGS} trainings, each "
        f"with {TRAINED} drawn pictures learned from and {KEPT} held back, which choose among the weights of {STEPS} "
        "epochs, too. in_interval: the share of redraws whose rate lies in the 95 % interval of the page",
        rows,
        time.perf_counter() - began,
    )


def learned(pictures: np.ndarray, **keys: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return isthmus.train("detect", pictures, out=Path(folder) / "run", test=0.0, quiet=True, **keys).model


def of_one_net(pictures: np.ndarray, others: np.ndarray) -> list[dict[str, Any]]:
    model, rows = learned(pictures, epochs=10, least_steps=1), []
    x, seen = (model.tensor(part) for part in (others, pictures))
    for score in SCORES:
        settings, nothing = Settings.of(model, score=score), torch.zeros(0)
        detector = Detector(settings, {}, nothing, nothing, nothing)
        detector.measure(model, seen.split(1000))
        spread = detector.weigh(model, [seen[::5]])
        looks = [detector.raw(model, part) for part in x.split(1000)]
        parts, maps = torch.cat([part for part, _ in looks], 1), torch.cat([seen for _, seen in looks])
        random = np.random.default_rng(1)
        for count, share in ASKED:
            rates, inside = [], []
            for _ in range(REDRAWS):
                chosen = np.zeros(len(x), bool)
                chosen[random.permutation(len(x))[:count]] = True
                detector.calibrate(spread, parts[:, chosen], [maps[chosen]])
                rate = float((detector.combined(parts[:, ~chosen]) > detector.threshold(share)).double().mean())
                low, high = detector.fpr_interval(share)
                rates.append(rate)
                inside.append(low <= rate <= high)
            rows.append(
                {"score": score, "calibration_items": count, **summed(rates, inside, detector.fpr_bound(share))}
            )
    return rows


def of_trainings(pictures: np.ndarray) -> dict[str, Any]:
    rates, inside, share = [], [], 1 / (KEPT + 1)
    for seed in range(TRAININGS):
        order = np.random.default_rng(seed).permutation(len(pictures))
        some, rest = pictures[order[: TRAINED + KEPT]], pictures[order[TRAINED + KEPT :][:2000]]
        keys = {"validation": KEPT / (TRAINED + KEPT), "least_steps": STEPS, "epochs": 1, "seed": seed}
        model = learned(some, widths=(64, 32), **keys)
        assert detector_of(model) is not None
        assert len(detector_of(model).good) == KEPT
        rates.append(float(model.detect(rest, false_alarms=share).bad.double().mean()))
        low, high = detector_of(model).fpr_interval(share)
        inside.append(low <= rates[-1] <= high)
    score = f"{detector_of(model).settings.score}, trained anew"
    return {"score": score, "calibration_items": KEPT, **summed(rates, inside, detector_of(model).fpr_bound(share))}


def summed(rates: list[float], inside: list[bool], promised: float | None) -> dict[str, Any]:
    error = float(np.std(rates, ddof=1)) / math.sqrt(len(rates))
    return {
        "promised": promised,
        "false_alarm_rate": float(np.mean(rates)),
        "standard_error": error,
        "in_interval": float(np.mean(inside)),
        "redraws": len(rates),
    }
