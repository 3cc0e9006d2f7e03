"""The black and the white of numbers that nobody has told: found in a set that is trained on, or in one picture."""

from __future__ import annotations

from collections.abc import Container
from contextlib import suppress
from typing import Protocol

import numpy as np
from torch import Tensor

from isthmus.errors import BadInput
from isthmus.media.array_values import Span

WHITES = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)  # of 1, 8, 10, 12, 14 and 16 bits
SAMPLED = 128  # items of a set that is not held in memory, by which its depth is found
NOISE = (-2.0, 3.0)  # how far noise takes numbers out of 0..1; beyond, they are on another scale
WHITE = "--set white="  # the option that chooses, in each note about a white that was found


class Readable(Protocol):
    """Items that are read when asked for."""

    def read(self, indices: np.ndarray) -> Tensor: ...


def choose_range(dtype: np.dtype, span: Span, notes: list[str]) -> tuple[float, float]:
    """The values that mean 0 and 1 in a new array, with a note where that is a judgement.

    Whole numbers from 0 on: the least of 8, 10, 12, 14 and 16 bits that holds them all, as cameras of 12 bits write
    into 16; 0 and 1 alone are bits. Floats: 0..1 where they lie in it. All others, such as those of 16 bits that stay
    far from 0 (signed ones, moved up): their least and greatest value.
    """
    if dtype.kind == "b":
        return (0.0, 1.0)
    moved_up = dtype.itemsize == 2 and span.high > span.low > WHITES[-1] / 4
    if dtype.kind in "ui" and span.low >= 0 and span.high <= WHITES[-1] and not moved_up:
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


def own_range(pixels: np.ndarray) -> tuple[float, float]:
    """The values that mean 0 and 1 in one picture that a model restores, which comes back in the same numbers.

    uint8: 0..255. uint16: 0 to the least white of 8 to 16 bits that holds it. Floats that lie in 0..1, as far as noise
    lets them: 0..1. All others (units of a microscope, signed, 32 bits): their least and greatest value.
    """
    if pixels.dtype == np.uint8:
        return (0.0, 255.0)
    return range_of_values(pixels.dtype, float(pixels.min()), float(pixels.max()))


def range_of_values(dtype: np.dtype, low: float, high: float) -> tuple[float, float]:
    """`own_range` of numbers of this type, of which these are the least and the greatest."""
    if dtype in (np.uint8, bool):
        return full_range(dtype)
    if dtype == np.uint16:
        return (0.0, white_of(max(high, 2.0)) if high else WHITES[-1])
    return (0.0, 1.0) if dtype.kind == "f" and NOISE[0] <= low and high <= NOISE[1] else (low, high)


def shown(pixels: np.ndarray, range: tuple[float, float], dtype: np.dtype) -> np.ndarray:
    """Numbers of any type, `range` being black and white, as shares of all that `dtype` holds (of floats: 0..1)."""
    low, high = range
    unit = (pixels.astype(np.float32) - np.float32(low)) / np.float32((high - low) or 1)
    if dtype.kind == "f":
        return unit.astype(dtype)
    return np.rint(np.clip(unit, 0, 1) * full_range(dtype)[1]).astype(dtype)


def full_range(dtype: np.dtype) -> tuple[float, float]:
    """0 and all that unsigned whole numbers of this type hold; 0..1 for others."""
    return (0.0, float(np.iinfo(dtype).max) if dtype.kind == "u" else 1.0)


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


def span_of(items: Tensor | Readable, count: int, broken: Container[int] = ()) -> Span:
    """The least and the greatest number: of all items, or of SAMPLED of them where they are not held."""
    low, high = np.inf, -np.inf
    for place in range(0, count, 1 if isinstance(items, Tensor) else max(1, count // SAMPLED)):
        if place not in broken:
            with suppress(BadInput):  # a broken file is told when its turn comes
                item = items[place : place + 1] if isinstance(items, Tensor) else items.read(np.array([place]))
                low, high = min(low, float(item.numpy().min())), max(high, float(item.numpy().max()))
    return Span(low, high) if low <= high else Span(0.0, 0.0)
