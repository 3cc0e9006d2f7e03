"""What the numbers of an array mean: which axis counts the items, and which value is white."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from isthmus.contracts import Shape
from isthmus.data.base import Range, by_column, kind_of_item, range_of, shape_of, times
from isthmus.errors import BadInput

ACCEPTED = "accepted are N×D, N×H×W, N×C×H×W and N×H×W×C (C of 1, 3 or 4)"
CHANNELS = (1, 3, 4)
FULL = (1.0, 255.0, 65535.0)  # the whites that whole numbers can have: bits, 8 and 16 bits


class Layout(NamedTuple):
    """How to see an array as items: `single` adds a first axis, `last` moves the last one to second place."""

    shape: Shape
    single: bool = False
    last: bool = False

    def of(self, items: np.ndarray) -> np.ndarray:
        """N×... as stored to N×shape."""
        return np.moveaxis(items, -1, 1) if self.last else items.reshape(len(items), *self.shape)


class Span(NamedTuple):
    """The least and the greatest value of an array."""

    low: float
    high: float


def layouts(shape: Shape) -> list[Layout]:
    """The ways an array of N×... may be meant, the likeliest first."""
    item = shape[1:]
    if len(item) == 1:
        return [Layout(item)]
    if len(item) == 2:
        return [Layout((1, *item)), Layout(item)]
    if len(item) == 3:
        ways = [Layout(item)]
        if item[2] in CHANNELS:
            last = Layout((item[2], item[0], item[1]), last=True)
            ways.insert(1 if item[0] in CHANNELS else 0, last)
        return ways
    return []


def choose_layout(shape: Shape, like: Mapping[str, Any] | None, name: str) -> Layout:
    """The layout of an array of this shape, the one that fits `like` where there is one.

    Raises BadInput naming both shapes where none fits.
    """
    ways = layouts(shape)
    if 0 in shape:
        raise BadInput(f"{name}: holds no items (shape {times(shape)}); {ACCEPTED}")
    if like is None:
        if not ways:
            raise BadInput(f"{name}: an array of {len(shape)} dimensions ({times(shape) or 'one number'}); {ACCEPTED}")
        return ways[0]
    wanted = shape_of(like)
    singles = [way._replace(single=True) for way in layouts((1, *shape))]
    for way in [*ways, *singles]:
        if way.shape == wanted:
            return way
    for way in [*ways, *singles]:
        pair = sorted((way.shape, wanted), key=len)
        if (len(pair[0]), len(pair[1])) == (1, 3) and pair[1][0] == 1 and math.prod(pair[0]) == math.prod(pair[1]):
            return way
    found = kind_of_item(ways[0].shape) if ways else f"an array of shape {times(shape) or 'one number'}"
    raise BadInput(f"{name}: {found}, but this run takes {times(wanted)}")


def choose_range(dtype: np.dtype, span: Span, notes: list[str]) -> tuple[float, float]:
    """The values that mean 0 and 1 in a new array, with a note where that is a judgement.

    Whole numbers: 0..255 or 0..65535, by what holds them; 0 and 1 alone are bits. Floats: 0..1 where they lie
    in it, else their own least and greatest value.
    """
    if dtype.kind == "b":
        return (0.0, 1.0)
    if dtype.kind in "ui" and span.low >= 0 and span.high <= FULL[-1]:
        if span.high == 1:
            notes.append("only the values 0 and 1: taken as black and white")
        return (0.0, _holding(span.high, or_dark=255.0))
    if span.low >= 0 and span.high <= 1:
        return (0.0, 1.0)
    notes.append(f"values from {span.low:g} to {span.high:g}: scaled to 0..1")
    return (span.low, span.high)


def choose_range_like(dtype: np.dtype, span: Span, like: Mapping[str, Any], notes: list[str]) -> Range:
    """The values that mean 0 and 1 in an array for a trained run: never measured anew.

    The run's own range, except where the numbers are plainly on another standard scale: floats in [0, 1] for
    a run on whole numbers, 8 or 16 bits for a run on floats, 8 bits for a run on 16: white stays white.
    """
    run, pictures = range_of(like), len(shape_of(like)) == 3
    if by_column(run):  # a table is never on another standard scale
        return run
    assert not isinstance(run[0], tuple)
    assert not isinstance(run[1], tuple)
    whole_run = run[0] == 0 and run[1] in (16.0, 255.0, 65535.0)
    native = {"|b1": 1.0, "|u1": 255.0, "<u2": 65535.0, ">u2": 65535.0}.get(dtype.str)
    chosen = run
    if dtype.kind == "f":
        if whole_run and span.low >= 0 and span.high <= 1:
            chosen = (0.0, 1.0)
    elif run == (0.0, 1.0):
        if span.low >= 0 and span.high <= FULL[-1]:
            chosen = (0.0, _holding(span.high, or_dark=1.0))
    elif whole_run and native is not None:
        # uint8 for a 16-bit run, or values that the run's range cannot hold: the type's own scale.
        if (native < run[1] and run[1] != 16) or span.high > run[1]:
            chosen = (0.0, native)
    elif native is not None and pictures:  # measured floats: their least was black and their greatest white
        chosen = (0.0, native)
    if chosen != run:
        notes.append(f"values scaled from {chosen[0]:g}..{chosen[1]:g}; the run was trained on {run[0]:g}..{run[1]:g}")
    elif span.low < run[0] or span.high > run[1]:
        notes.append(
            f"values from {span.low:g} to {span.high:g} reach outside the {run[0]:g}..{run[1]:g} "
            "that this run was trained on"
        )
    return chosen


def stored_type(dtype: np.dtype, span: Span) -> np.dtype:
    """The smallest of uint8 and uint16 that holds whole numbers, else float (half precision is kept)."""
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind in "ui" and span.low >= 0 and span.high <= FULL[-1]:
        return np.dtype(np.uint8 if span.high <= 255 else np.uint16)
    return np.dtype(np.float16 if dtype == np.float16 else np.float32)


def _holding(high: float, or_dark: float) -> float:
    """The least white that holds `high`; nothing but zeros says nothing, so `or_dark`."""
    return or_dark if high == 0 else next(full for full in FULL if high <= full)
