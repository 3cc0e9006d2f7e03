"""Holes that are deeper than the model was trained to fill: their middle is filled smoothly from their edges first.

The model sees what is known up to so many pixels away, and from nothing it makes black.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from isthmus.corruptions.guess import pulled
from isthmus.tasks.masks import grown

DEPTH = 20  # pixels from the edge of a hole; on boxes of 32 pixels and less the model is better than anything smooth


def middle_of(hole: np.ndarray, reach: int | None) -> np.ndarray:
    """H×W bool, true where a hole is deeper than DEPTH, or than the model's reach."""
    return np.asarray(hole & ~grown(~hole, min(DEPTH, reach or DEPTH)))


def bridged(pixels: np.ndarray, hole: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """H×W×C of any type with `middle` filled from outside of the hole, coarser with the distance."""
    rows, columns = (np.flatnonzero(middle.any(axis)) for axis in (1, 0))
    around = DEPTH + max(np.ptp(rows), np.ptp(columns)) // 2 + 1
    area = tuple(slice(max(0, int(one[0]) - around), int(one[-1]) + around + 1) for one in (rows, columns))
    part, lost = pixels[area], hole[area]
    if lost.all():  # nothing is known so near by
        area = (slice(None), slice(None))
        part, lost = pixels, hole
    known = torch.from_numpy(np.nan_to_num(part.astype(np.float32))).movedim(-1, 0)[None]
    mask = torch.from_numpy(lost)[None, None].float()
    found = pulled(known, mask, math.ceil(math.log2(max(lost.shape))))[0].movedim(0, -1).numpy()
    if pixels.dtype.kind != "f":
        found = np.rint(found)
    result = pixels.copy()
    result[area] = np.where(middle[area][..., None], found.astype(pixels.dtype), part)
    return result
