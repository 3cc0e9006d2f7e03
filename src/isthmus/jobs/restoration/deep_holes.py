"""Holes that are deeper than the model was trained to fill: their middle is filled smoothly from their edges first.

The model sees what is known up to so many pixels away, and from nothing it makes black.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch

from isthmus.corruptions.hole_fill import pulled
from isthmus.errors import BadInput, Note
from isthmus.jobs.restoration.masks import grown

MOSTLY = 0.8  # share of a picture from which on a mask may be meant the other way round
FAR = 0.25  # share of a picture too far from what is known, from which on the result would be a blur
DEPTH = 20  # pixels from the edge of a hole; on boxes of 32 pixels and less the model is better than anything smooth


def middle_of(hole: np.ndarray, reach: int | None) -> np.ndarray:
    """H×W bool, true where a hole is deeper than DEPTH, or than the model's reach."""
    return np.asarray(hole & ~grown(~hole, min(DEPTH, reach or DEPTH)))


def not_inverted(hole: np.ndarray, middle: np.ndarray, shown: str) -> None:
    """Raise BadInput for a mask that marks what is to be kept, as far as that can be told: the hole is most of the
    picture and its middle deep. A Note tells where it is most of it, but near to what is known, as single pixels are.
    """
    if hole.mean() <= MOSTLY:
        return
    told = f"{shown}: the hole is {hole.mean():.1%} of the picture"
    if middle.mean() > FAR:
        raise BadInput(f"{told}, most of it too far from what is known; --invert takes the rest of it as the hole")
    warnings.warn(f"{told}; --invert takes the rest of it instead", Note, stacklevel=3)


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
