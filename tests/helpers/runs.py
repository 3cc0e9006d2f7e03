"""Full masks as run lengths and back, and of polygons: the plain forms that tests compare with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isthmus.media.rle import part_of_polygons, part_of_runs


def runs_of(mask: np.ndarray) -> list[int]:
    """H×W -> run lengths down the columns, alternately of 0 and of other values; the first, of 0, may be 0."""
    flat = (np.asarray(mask) != 0).ravel(order="F")
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff([0, *starts.tolist(), len(flat)]).tolist()
    return [0, *runs] if len(flat) and flat[0] else runs


def mask_of_runs(runs: Sequence[int], height: int, width: int) -> np.ndarray:
    """The H×W bool mask of run lengths."""
    return part_of_runs(runs, height, width).full(height, width)


def mask_of_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> np.ndarray:
    """The H×W bool mask of the pixels whose centers lie in any of the polygons."""
    return part_of_polygons(polygons, height, width).full(height, width)
