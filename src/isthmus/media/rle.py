"""Masks as COCO writes them: run lengths, plain and packed into text, and polygons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isthmus.errors import BadInput

BITS, MORE, SIGN = 5, 0x20, 0x10  # five bits a character from "0" on; whether more follow; whether it is negative
FIRST = 48


def runs_of(mask: np.ndarray) -> list[int]:
    """H×W -> lengths of runs down the columns, of 0 and of not 0 in turn; the first, of 0, may be 0 long."""
    flat = (np.asarray(mask) != 0).ravel(order="F")
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff([0, *starts.tolist(), len(flat)]).tolist()
    return [0, *runs] if len(flat) and flat[0] else runs


def mask_of_runs(runs: Sequence[int], height: int, width: int) -> np.ndarray:
    """H×W bool of such lengths. Raises BadInput where they are not those of such a mask."""
    if any(run < 0 for run in runs) or sum(runs) != height * width:
        raise BadInput(f"run lengths of {sum(runs)} pixels for a mask of {width}×{height}")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T


def pack(runs: Sequence[int]) -> str:
    """Run lengths as text: from the fourth on as differences to the last but one, each of as few characters as do."""
    text = []
    for place, run in enumerate(runs):
        left = run - runs[place - 2] if place > 2 else run
        while True:
            low, left = left & (MORE - 1), left >> BITS
            done = left == (-1 if low & SIGN else 0)
            text.append(chr(FIRST + (low if done else low | MORE)))
            if done:
                break
    return "".join(text)


def unpack(text: str) -> list[int]:
    """The run lengths of such a text. Raises BadInput for what is none."""
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - FIRST
        if not 0 <= code < 2 * MORE:
            raise BadInput(f"packed run lengths: {letter!r} is no part of them")
        value |= (code & (MORE - 1)) << shift
        shift += BITS
        if code & MORE:
            continue
        if code & SIGN:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise BadInput("packed run lengths: cut short")
    return runs


def mask_of_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> np.ndarray:
    """H×W bool: the pixels whose centers lie in any of the polygons, x1 y1 x2 y2 … in pixels from the upper left.

    Raises BadInput for a polygon of fewer than three points, or an odd count of numbers.
    """
    from skimage.draw import polygon2mask

    mask = np.zeros((height, width), bool)
    for numbers in polygons:
        if len(numbers) < 6 or len(numbers) % 2:
            raise BadInput(f"polygon of {len(numbers)} numbers: x and y of three or more points are accepted")
        points = np.asarray(numbers, float).reshape(-1, 2)[:, ::-1] - 0.5
        mask |= polygon2mask((height, width), points)
    return mask
