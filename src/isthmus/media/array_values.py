"""Checks of the values of an array: dtype, minimum and maximum, NaN and infinite values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from isthmus.errors import BadInput

CHUNK = 2**24  # bytes read at a time


class Span(NamedTuple):
    """Minimum and maximum of an array."""

    low: float
    high: float


def as_numpy(value: Any) -> np.ndarray:
    """A tensor or anything array-like as numpy, without a copy where possible."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    return np.asarray(value)


def check_type(dtype: np.dtype, name: str) -> None:
    if dtype.hasobject:
        raise objects(name)
    if dtype.kind not in "buif":
        kinds = {"c": "complex numbers", "U": "text", "S": "text", "M": "dates", "m": "times", "V": "records"}
        raise BadInput(f"{name}: holds {kinds.get(dtype.kind, dtype)}; accepted are integers, floats, booleans")


def objects(name: str) -> BadInput:
    return BadInput(
        f"{name}: holds Python objects, which only pickle reads, and pickle can run code; save it as numbers"
    )


def chunks(array: Any) -> Iterator[tuple[int, np.ndarray]]:
    """(first index, items) over all items of the array, about CHUNK bytes at a time."""
    count = array.shape[0]
    step = max(1, CHUNK * count // max(1, array.nbytes))
    for start in range(0, count, step):
        yield start, np.asarray(array[start : start + step])


def scan(array: Any, name: str) -> Span:
    """Minimum and maximum in 32-bit floats. Raises BadInput for NaN and infinite values."""
    if array.dtype.kind == "b":
        return Span(0, 1)
    low, high, invalid, first = np.inf, -np.inf, 0, -1
    for start, chunk in chunks(array):
        if chunk.dtype.kind == "f":
            with np.errstate(over="ignore"):
                chunk = chunk.astype(np.float32, copy=False)
            finite = np.isfinite(chunk.reshape(len(chunk), -1))
            if not finite.all():
                rows = np.flatnonzero(~finite.all(axis=1))
                first = start + int(rows[0]) if first < 0 else first
                invalid += int((~finite).sum())
                continue
        low, high = min(low, float(chunk.min())), max(high, float(chunk.max()))
    if invalid:
        raise BadInput(
            f"{name}: {invalid} NaN or infinite values, the first in item {first}; accepted are finite numbers"
        )
    return Span(low, high)
