"""A self-check of a detector: AUROC on synthesized defects of normal images, an estimate for real ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.jobs.anomaly.detector import Detector
from isthmus.jobs.anomaly.model_outputs import passes
from isthmus.jobs.anomaly.synthetic_defects import DEFECTS, synthesized
from isthmus.metrics import auroc

BUDGET = 2**22  # values that the network processes in total: a few seconds
LEAST, MOST = 20, 100  # defective images of each kind; with fewer normal images each gets several defects
MARGIN = 0.04  # AUROC by which another score must beat the first; less is chance with so few images


def pictures_for(model: Any, detector: Detector) -> int:
    """The number of images that a self-check can process in a few seconds."""
    each = len(DEFECTS) * math.prod(model.shape) * passes(model, detector.settings)
    return max(1, min(MOST, BUDGET // each))


def self_check(model: Any, detector: Detector, x: Tensor) -> dict[str, Any]:
    """{"auroc": the mean over kinds, "per_kind", "pictures"} of synthesized defects against the calibration scores.

    x: N×C×H×W in [0, 1], normal images that were not trained on. Deterministic.
    """
    normal, per_kind = detector.good.numpy(), {}
    for kind, made in with_defects(model, detector, x).items():
        score = np.concatenate([normal, detector(model, made).score.numpy()])
        per_kind[kind] = auroc(score, np.repeat([False, True], [len(normal), len(made)]))
    return {"auroc": fmean(per_kind.values()), "per_kind": per_kind, "pictures": len(x)}


def best_score(model: Any, detector: Detector, x: Tensor, scores: Sequence[str]) -> str:
    """The one of `scores` with the highest AUROC on synthesized defects; the first unless another is better by MARGIN.

    Each score combines parts of the detector's own, so every image is processed once.
    """
    normal, names = detector.parts(model, x), detector.settings.parts
    bad = [detector.parts(model, made) for made in with_defects(model, detector, x).values()]

    def area(score: str) -> float:
        rows = [names.index(name) for name in score.split("+")]
        values = [np.concatenate([part[rows].mean(0).numpy() for part in (normal, made)]) for made in bad]
        return fmean(auroc(both, np.arange(len(both)) >= normal.shape[1]) for both in values)

    by_score = {score: area(score) for score in scores}
    best = max(by_score, key=lambda score: by_score[score])
    return best if by_score[best] > by_score[scores[0]] + MARGIN else scores[0]


def with_defects(model: Any, detector: Detector, x: Tensor) -> dict[str, Tensor]:
    """kind -> copies of x with one defect each, inside the region of interest; few images are used several times."""
    roi = None if detector.roi is None else detector.roi.numpy() > 0
    times = -(-min(LEAST, pictures_for(model, detector)) // len(x))
    made = synthesized(x.repeat(times, *[1] * (x.dim() - 1)).cpu().numpy(), roi=roi)
    return {kind: torch.from_numpy(pictures) for kind, pictures in made.items()}
