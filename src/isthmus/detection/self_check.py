"""How well a detector tells synthesized defects of normal pictures, from none: what may be expected of real ones."""

from __future__ import annotations

import math
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.detection.detector import Detector
from isthmus.detection.looking import passes
from isthmus.detection.synthetic_defects import DEFECTS, synthesized
from isthmus.metrics import auroc

NUMBERS = 2**22  # that the net looks at in all: a few seconds
LEAST, MOST = 20, 100  # pictures with a defect, of each kind; of fewer pictures each gets several


def pictures_for(model: Any, detector: Detector) -> int:
    """How many pictures a self-check can take in a few seconds."""
    each = len(DEFECTS) * math.prod(model.shape) * passes(model, detector.settings)
    return max(1, min(MOST, NUMBERS // each))


def self_check(model: Any, detector: Detector, x: Tensor) -> dict[str, Any]:
    """{"auroc": the mean over kinds, "per_kind", "pictures"} of defects made of x, N×C×H×W in [0, 1], normal pictures
    that were not trained on, against the scores of the calibration set; always the same for the same pictures."""
    roi = None if detector.roi is None else detector.roi.numpy() > 0
    normal, found = detector.good.numpy(), {}
    times = -(-min(LEAST, pictures_for(model, detector)) // len(x))
    for kind, made in synthesized(x.repeat(times, *[1] * (x.dim() - 1)).cpu().numpy(), roi=roi).items():
        score = np.concatenate([normal, detector(model, torch.from_numpy(made)).score.numpy()])
        found[kind] = auroc(score, np.repeat([False, True], [len(normal), len(made)]))
    return {"auroc": fmean(found.values()), "per_kind": found, "pictures": len(x)}


def in_words(check: dict[str, Any]) -> str:
    """One line."""
    kinds = ", ".join(f"{kind} {value:.2f}" for kind, value in check["per_kind"].items())
    return (
        f"self-check: AUROC {check['auroc']:.2f} on synthesized defects of {check['pictures']} of your own normal "
        f"pictures ({kinds}); real defects may be easier or harder"
    )
