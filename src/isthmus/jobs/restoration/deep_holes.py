"""Holes deeper than the model was trained to fill: their inner part is first filled smoothly from their edges.

Beyond its receptive field the model sees no known pixels, and would fill with black.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch

from isthmus.corruptions.hole_fill import push_pull
from isthmus.errors import BadInput, Note
from isthmus.jobs.restoration.masks import dilated

MAX_HOLE = 0.8  # share of an image above which a mask may be inverted by mistake
MAX_DEEP = 0.25  # share of deep pixels above which the result would be mostly blur
DEPTH = 20  # pixels from the edge of a hole; in boxes up to 32 pixels the model is better than a smooth fill


def deep_part(hole: np.ndarray, reach: int | None) -> np.ndarray:
    """H×W bool, true where a hole is deeper than DEPTH or the model's reach."""
    return np.asarray(hole & ~dilated(~hole, min(DEPTH, reach or DEPTH)))


def check_not_inverted(hole: np.ndarray, middle: np.ndarray, label: str) -> None:
    """Raise BadInput for a mask that is probably inverted: the hole is most of the image, and mostly deep.

    Only a Note if the hole is most of the image but close to known pixels, as with masks of single pixels.
    """
    if hole.mean() <= MAX_HOLE:
        return
    text = f"{label}: the hole is {hole.mean():.1%} of the image"
    if middle.mean() > MAX_DEEP:
        raise BadInput(f"{text}, most of it too far from known pixels; --invert inverts the mask")
    warnings.warn(f"{text}; --invert inverts the mask", Note, stacklevel=3)


def fill_smoothly(pixels: np.ndarray, hole: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Fill `middle` of H×W×C (any dtype) from outside of the hole, coarser with the distance."""
    rows, columns = (np.flatnonzero(middle.any(axis)) for axis in (1, 0))
    margin = DEPTH + max(np.ptp(rows), np.ptp(columns)) // 2 + 1
    area = tuple(slice(max(0, int(one[0]) - margin), int(one[-1]) + margin + 1) for one in (rows, columns))
    pixels_around, hole_around = pixels[area], hole[area]
    if hole_around.all():  # no known pixels nearby
        area = (slice(None), slice(None))
        pixels_around, hole_around = pixels, hole
    batch = torch.from_numpy(np.nan_to_num(pixels_around.astype(np.float32))).movedim(-1, 0)[None]
    mask = torch.from_numpy(hole_around)[None, None].float()
    filled = push_pull(batch, mask, math.ceil(math.log2(max(hole_around.shape))))[0].movedim(0, -1).numpy()
    if pixels.dtype.kind != "f":
        filled = np.rint(filled)
    result = pixels.copy()
    result[area] = np.where(middle[area][..., None], filled.astype(pixels.dtype), pixels_around)
    return result
