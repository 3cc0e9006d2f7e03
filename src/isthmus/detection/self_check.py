"""How well a detector tells synthesized defects of normal pictures, from none: what may be expected of real ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.detection.detector import Detector
from isthmus.detection.model_outputs import passes
from isthmus.detection.synthetic_defects import DEFECTS, synthesized
from isthmus.metrics import auroc

NUMBERS = 2**22  # that the net looks at in all: a few seconds
LEAST, MOST = 20, 100  # pictures with a defect, of each kind; of fewer pictures each gets several
MARGIN = 0.04  # of AUROC, by which another score has to be better than the first: less is chance with so few


def pictures_for(model: Any, detector: Detector) -> int:
    """How many pictures a self-check can take in a few seconds."""
    each = len(DEFECTS) * math.prod(model.shape) * passes(model, detector.settings)
    return max(1, min(MOST, NUMBERS // each))


def self_check(model: Any, detector: Detector, x: Tensor) -> dict[str, Any]:
    """{"auroc": the mean over kinds, "per_kind", "pictures"} of defects made of x, N×C×H×W in [0, 1], normal pictures
    that were not trained on, against the scores of the calibration set; always the same for the same pictures."""
    normal, found = detector.good.numpy(), {}
    for kind, made in with_defects(model, detector, x).items():
        score = np.concatenate([normal, detector(model, made).score.numpy()])
        found[kind] = auroc(score, np.repeat([False, True], [len(normal), len(made)]))
    return {"auroc": fmean(found.values()), "per_kind": found, "pictures": len(x)}


def best_score(model: Any, detector: Detector, x: Tensor, scores: Sequence[str]) -> str:
    """The one of `scores`, each of parts that the detector's own score has, that tells the same defects from x best;
    the first of them unless another is better by MARGIN. Each picture is looked at once."""
    normal, names = detector.parts(model, x), detector.settings.parts
    bad = [detector.parts(model, made) for made in with_defects(model, detector, x).values()]

    def found(score: str) -> float:
        rows = [names.index(name) for name in score.split("+")]
        told = [np.concatenate([part[rows].mean(0).numpy() for part in (normal, made)]) for made in bad]
        return fmean(auroc(both, np.arange(len(both)) >= normal.shape[1]) for both in told)

    by_score = {score: found(score) for score in scores}
    best = max(by_score, key=lambda score: by_score[score])
    return best if by_score[best] > by_score[scores[0]] + MARGIN else scores[0]


def with_defects(model: Any, detector: Detector, x: Tensor) -> dict[str, Tensor]:
    """kind -> pictures like x with a defect each, in the region that counts; of few pictures each several times."""
    roi = None if detector.roi is None else detector.roi.numpy() > 0
    times = -(-min(LEAST, pictures_for(model, detector)) // len(x))
    made = synthesized(x.repeat(times, *[1] * (x.dim() - 1)).cpu().numpy(), roi=roi)
    return {kind: torch.from_numpy(pictures) for kind, pictures in made.items()}


def in_words(check: dict[str, Any]) -> str:
    """One line."""
    kinds = ", ".join(f"{kind} {value:.2f}" for kind, value in check["per_kind"].items())
    return (
        f"self-check: AUROC {check['auroc']:.2f} on synthesized defects of {check['pictures']} of your own normal "
        f"pictures ({kinds}); real defects may be easier or harder"
    )
