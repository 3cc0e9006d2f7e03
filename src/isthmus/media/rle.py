"""COCO's encodings of masks: run lengths, plain or packed into text, and polygons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from isthmus.errors import BadInput

BITS, MORE, SIGN = 5, 0x20, 0x10  # five bits a character from "0" on; whether more follow; whether it is negative
FIRST = 48


def runs_of_part(part: np.ndarray, top: int, left: int, height: int, width: int) -> list[int]:
    """The run lengths of a height×width mask that is `part`, h×w, at a corner, and 0 elsewhere."""
    edges = np.diff(np.pad(np.asarray(part) != 0, ((1, 1), (0, 0))).astype(np.int8), axis=0).T
    columns, starts = np.nonzero(edges > 0)
    ends = np.nonzero(edges < 0)[1]
    offset = (columns + left) * height + top
    bounds = np.stack([offset + starts, offset + ends], 1).ravel()
    # A run that ends at the bottom goes on at the top of the next column.
    joined = np.flatnonzero(bounds[1:-1:2] == bounds[2::2])
    bounds = np.delete(bounds, np.concatenate([2 * joined + 1, 2 * joined + 2]))
    last = [] if len(bounds) and bounds[-1] == height * width else [height * width]
    runs: list[int] = np.diff([0, *bounds.tolist(), *last]).tolist()
    return runs


class Part(NamedTuple):
    """A mask that is `mask`, h×w bool, from row `top` and column `left` on, and False elsewhere."""

    mask: np.ndarray
    top: int = 0
    left: int = 0

    @property
    def box(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.top + self.mask.shape[0]), slice(self.left, self.left + self.mask.shape[1])

    def full(self, height: int, width: int) -> np.ndarray:
        """H×W bool."""
        mask = np.zeros((height, width), bool)
        mask[self.box] = self.mask
        return mask


def part_of_runs(runs: Sequence[int], height: int, width: int) -> Part:
    """The columns of the mask of run lengths that are marked. Raises BadInput if they are not of its size."""
    if any(run < 0 for run in runs) or sum(runs) != height * width:
        raise BadInput(f"run lengths of {sum(runs)} pixels for a mask of {width}×{height}")
    ends = np.cumsum(runs, dtype=np.int64)[1::2]
    starts = ends - np.asarray(runs[1::2], np.int64)
    starts, ends = starts[ends > starts], ends[ends > starts]
    if not len(starts):
        return Part(np.zeros((0, 0), bool))
    left, right = int(starts[0]) // height, -(-int(ends[-1]) // height)
    edges = np.stack([starts, ends], 1).ravel() - left * height
    lengths = np.diff(edges, prepend=0, append=(right - left) * height)
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return Part(flat.reshape(right - left, height).T, 0, left)


def pack(runs: Sequence[int]) -> str:
    """Run lengths as text: from the fourth on as differences to the last but one, in a variable-length code."""
    text = []
    for index, run in enumerate(runs):
        rest = run - runs[index - 2] if index > 2 else run
        while True:
            low, rest = rest & (MORE - 1), rest >> BITS
            done = rest == (-1 if low & SIGN else 0)
            text.append(chr(FIRST + (low if done else low | MORE)))
            if done:
                break
    return "".join(text)


def unpack(text: str) -> list[int]:
    """The run lengths of packed text. Raises BadInput for other text."""
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - FIRST
        if not 0 <= code < 2 * MORE:
            raise BadInput(f"packed run lengths: invalid character {letter!r}")
        value |= (code & (MORE - 1)) << shift
        shift += BITS
        if code & MORE:
            continue
        if code & SIGN:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise BadInput("packed run lengths: truncated")
    return runs


def part_of_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> Part:
    """The pixels whose centers lie in any of the polygons, x1 y1 x2 y2 … in pixels from the upper left.

    Raises BadInput for a polygon of fewer than three points, or an odd count of numbers.
    """
    from skimage.draw import polygon2mask

    for numbers in polygons:
        if len(numbers) < 6 or len(numbers) % 2:
            raise BadInput(f"polygon of {len(numbers)} numbers: x and y of three or more points are accepted")
    outlines = [np.asarray(numbers, float).reshape(-1, 2)[:, ::-1] for numbers in polygons]
    ends = np.array([(points.min(0), points.max(0)) for points in outlines]).reshape(-1, 2, 2)
    size = (height, width)
    top, left = np.floor(ends[:, 0].min(0, initial=height + width)).astype(int).clip(0, size)
    bottom, right = np.ceil(ends[:, 1].max(0, initial=0)).astype(int).clip(0, size)
    mask = np.zeros((max(0, bottom - top), max(0, right - left)), bool)
    for points in outlines if mask.size else []:
        mask |= polygon2mask(mask.shape, points - 0.5 - (top, left))
    return Part(mask, int(top), int(left))
