"""The white of numbers that nobody has told the white of: found in a set when a run is trained on it."""

from __future__ import annotations

from collections.abc import Container
from contextlib import suppress

import numpy as np
from torch import Tensor

from isthmus.data.base import Lazy
from isthmus.data.values import Span
from isthmus.errors import BadInput

WHITES = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)  # of 1, 8, 10, 12, 14 and 16 bits
SAMPLED = 128  # items of a set that is not held in memory, by which its depth is found
WHITE = "--set white="  # the option that chooses, in each note about a white that was found


def choose_range(dtype: np.dtype, span: Span, notes: list[str]) -> tuple[float, float]:
    """The values that mean 0 and 1 in a new array, with a note where that is a judgement.

    Whole numbers from 0 on: the least of 8, 10, 12, 14 and 16 bits that holds them all, as cameras of 12 bits write
    into 16; 0 and 1 alone are bits. Floats: 0..1 where they lie in it. All others: their least and greatest value.
    """
    if dtype.kind == "b":
        return (0.0, 1.0)
    if dtype.kind in "ui" and span.low >= 0 and span.high <= WHITES[-1]:
        white = 255.0 if span.high == 0 else white_of(span.high)
        if white == 1:
            notes.append("only the values 0 and 1: taken as black and white")
        elif white not in (255.0, WHITES[-1]) or (white == 255 and dtype.itemsize == 2):
            notes.append(depth_note(span.high, white))
        return (0.0, white)
    if span.low >= 0 and span.high <= 1:
        return (0.0, 1.0)
    notes.append(f"values from {span.low:g} to {span.high:g}: scaled to 0..1")
    return (span.low, span.high)


def white_of(high: float) -> float:
    """The least white of 1, 8, 10, 12, 14 or 16 bits that holds `high`."""
    return next(white for white in WHITES if high <= white)


def depth_note(high: float, white: float) -> str:
    bits = int(white + 1).bit_length() - 1
    return f"values up to {high:g}: taken as {bits} bits, white being {white:g}; {WHITE} names another"


def stored_type(dtype: np.dtype, span: Span) -> np.dtype:
    """The smallest of uint8 and uint16 that holds whole numbers, else float (half precision is kept)."""
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind in "ui" and span.low >= 0 and span.high <= WHITES[-1]:
        return np.dtype(np.uint8 if span.high <= 255 else np.uint16)
    return np.dtype(np.float16 if dtype == np.float16 else np.float32)


def depth_of(items: Tensor | Lazy, count: int, broken: Container[int], notes: list[str]) -> tuple[float, float]:
    """0 and the white of pictures of 16 bits, which may hold 10, 12 or 14: by all of them, or by some where many."""
    highest = 0.0
    for place in range(0, count, 1 if isinstance(items, Tensor) else max(1, count // SAMPLED)):
        if place not in broken:
            with suppress(BadInput):  # a broken file is told when its turn comes
                item = items[place : place + 1] if isinstance(items, Tensor) else items.read(np.array([place]))
                highest = max(highest, float(item.numpy().max()))
    return choose_range(np.dtype(np.uint16), Span(0.0, highest), notes)
