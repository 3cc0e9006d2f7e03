"""Inference of the black and white level of pixel values: for a training set, or for one image."""

from __future__ import annotations

from collections.abc import Container
from contextlib import suppress
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from isthmus.errors import BadInput
from isthmus.media.array_values import Span

WHITES = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)  # of 1, 8, 10, 12, 14 and 16 bits
SAMPLED = 128  # items from which the depth of a set that is not in memory is inferred
NOISE = (-2.0, 3.0)  # how far noise takes values out of 0..1; beyond, they are on another scale
BLOCK, MARGIN = 8, 0.02  # side of a block in pixels; how far its mean may lie outside of 0..1 without noise
WHITE = "--set white="  # the option that overrides an inferred white level, named in each note about one


class Readable(Protocol):
    """Items that are read on request."""

    def read(self, indices: np.ndarray) -> Tensor: ...


def choose_range(dtype: np.dtype, span: Span, notes: list[str]) -> tuple[float, float]:
    """The values of a new array that are scaled to 0 and 1, with a note where they are inferred.

    Integers from 0 on: 0 to the white of the least of 8, 10, 12, 14 and 16 bits that holds them all, as 12-bit cameras
    write into 16; 0 and 1 alone are bits. Floats: 0..1 if they lie in it. All others, such as 16-bit values far from 0
    (signed values with an offset): their minimum and maximum.
    """
    if dtype.kind == "b":
        return (0.0, 1.0)
    offset = dtype.itemsize == 2 and span.high > span.low > WHITES[-1] / 4
    if dtype.kind in "ui" and span.low >= 0 and span.high <= WHITES[-1] and not offset:
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
    """The values of one image to be restored that are scaled to 0 and 1; the result is scaled back.

    uint8: 0..255. uint16: 0 to the least white of 8 to 16 bits that holds it. Floats in 0..1, with a margin for noise:
    0..1. All others (units of a microscope, -1..1, 32 bits): their minimum and maximum.
    """
    if pixels.dtype == np.uint8:
        return (0.0, 255.0)
    low, high = float(pixels.min()), float(pixels.max())
    range = range_of_values(pixels.dtype, low, high)
    return (low, high) if pixels.dtype.kind == "f" and range == (0.0, 1.0) and not only_noise_outside(pixels) else range


def only_noise_outside(pixels: np.ndarray) -> bool:
    """Whether floats H×W×… lie in 0..1 but for their noise: the means of blocks of 8×8 do, with a margin."""
    if pixels.min() >= 0 and pixels.max() <= 1:
        return True
    height, width = pixels.shape[:2]
    down, across = min(BLOCK, height), min(BLOCK, width)
    cut = pixels[: height // down * down, : width // across * across].astype(np.float32, copy=False)
    blocks = cut.reshape(height // down, down, width // across, across, -1)
    mean = blocks.mean((1, 3))
    margin = MARGIN + 4 * float(np.median(blocks.std((1, 3)))) / np.sqrt(down * across)
    return bool(mean.min() >= -margin and mean.max() <= 1 + margin)


def range_of_values(dtype: np.dtype, low: float, high: float) -> tuple[float, float]:
    """`own_range` of values of this dtype with this minimum and maximum."""
    if dtype in (np.uint8, bool):
        return full_range(dtype)
    if dtype == np.uint16:
        return (0.0, white_of(max(high, 2.0)) if high else WHITES[-1])
    return (0.0, 1.0) if dtype.kind == "f" and NOISE[0] <= low and high <= NOISE[1] else (low, high)


def rescale(pixels: np.ndarray, range: tuple[float, float], dtype: np.dtype) -> np.ndarray:
    """Values of any dtype, rescaled from `range` (black, white) to the full range of `dtype` (of floats: 0..1)."""
    return from_shares(to_shares(pixels, range), dtype)


def to_shares(pixels: np.ndarray, range: tuple[float, float] | None = None) -> np.ndarray:
    """Values of any dtype as float32: 0 at black and 1 at white, by default those of full_range; not clipped."""
    low, high = range or full_range(pixels.dtype)
    # Single precision represents neither all 32-bit integers, nor small differences from a high black.
    exact: Any = np.float64 if low or (pixels.dtype.kind in "iu" and pixels.itemsize > 2) else np.float32
    values = np.array(pixels, exact)
    values = (values - low if low else values) / ((high - low) or 1.0)
    return values.astype(np.float32, copy=False)


def from_shares(
    shares: np.ndarray,
    dtype: np.dtype,
    range: tuple[float, float] | None = None,
    limits: tuple[float, float] | None = None,
) -> np.ndarray:
    """The inverse of to_shares; integers are rounded, and clipped to `limits`, by default the range."""
    low, high = range or full_range(dtype)
    if low or (dtype.kind != "f" and dtype.itemsize > 2):
        shares = shares.astype(np.float64)
    values = shares * ((high - low) or 1) + low
    return (
        values.astype(dtype) if dtype.kind == "f" else np.rint(np.clip(values, *(limits or (low, high)))).astype(dtype)
    )


def full_range(dtype: np.dtype) -> tuple[float, float]:
    """0 and the maximum of an unsigned integer dtype; 0..1 for others."""
    return (0.0, float(np.iinfo(dtype).max) if dtype.kind == "u" else 1.0)


def white_of(high: float) -> float:
    """The least white of 1, 8, 10, 12, 14 or 16 bits that holds `high`."""
    return next(white for white in WHITES if high <= white)


def depth_note(high: float, white: float) -> str:
    bits = int(white + 1).bit_length() - 1
    return f"values up to {high:g}: taken as {bits} bits, white being {white:g}; {WHITE} names another"


def stored_type(dtype: np.dtype, span: Span) -> np.dtype:
    """The smallest of uint8 and uint16 that holds integers, else float (half precision is kept)."""
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind in "ui" and span.low >= 0 and span.high <= WHITES[-1]:
        return np.dtype(np.uint8 if span.high <= 255 else np.uint16)
    return np.dtype(np.float16 if dtype == np.float16 else np.float32)


def span_of(items: Tensor | Readable, count: int, broken: Container[int] = ()) -> Span:
    """Minimum and maximum of all items of a tensor, or of SAMPLED items of a set that is read on request."""
    low, high = np.inf, -np.inf
    for index in range(0, count, 1 if isinstance(items, Tensor) else max(1, count // SAMPLED)):
        if index not in broken:
            with suppress(BadInput):  # a broken file is reported when it is read for training
                item = items[index : index + 1] if isinstance(items, Tensor) else items.read(np.array([index]))
                low, high = min(low, float(item.numpy().min())), max(high, float(item.numpy().max()))
    return Span(low, high) if low <= high else Span(0.0, 0.0)
