"""Field: the kind of one named tensor of an item, its stored values, and their range, which is 0 to 1 to the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

KINDS = ("image", "mask", "labels", "series", "table", "vector", "features")
NEAREST = ("mask", "labels")  # kinds that are resized and transformed without interpolation
SPATIAL = ("image", *NEAREST)  # kinds of C×H×W

Bound = float | tuple[float, ...]  # one for all values of an item, or one for each column
Range = tuple[Bound, Bound]


@dataclass(frozen=True)
class Field:
    """kind: one of KINDS. shape: of one item: (C, H, W), (C, T) of a series, or (D,). dtype: of the stored values.

    range: the stored values that are 0 and 1 to the model; None for values that are used as stored, such as labels.
    """

    kind: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    range: Range | None = None

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def nearest(self) -> bool:
        """Whether values are never interpolated."""
        return self.kind in NEAREST

    @cached_property
    def in_units(self) -> Field:
        """The field of values that `to_units` has scaled."""
        return replace(self, range=None)

    def to_units(self, x: Tensor) -> Tensor:
        """N×shape of stored values as float32 in the units of the model; without a range, x itself."""
        return x if self.range is None else to_unit(x, self.range)


def to_unit(x: Tensor, range: Range) -> Tensor:
    """N×shape of stored values as float32, `range` = (lo, hi) scaled to (0, 1), without clipping."""
    low, width = offset_and_width(x, range)
    if not isinstance(low, Tensor) and not low:  # bytes are converted and divided in one pass
        return (x if x.dtype == torch.uint8 else x.to(torch.float32)) / width
    return (x.to(torch.float32) - low) / width


def from_unit(x: Tensor, range: Range) -> Tensor:
    """The inverse of `to_unit`, as floats: (0, 1) scaled to (lo, hi)."""
    low, width = offset_and_width(x, range)
    return x * width + low


def offset_and_width(x: Tensor, range: Range) -> tuple[Tensor | float, Tensor | float]:
    """lo and hi − lo (1 if they are equal): two numbers, or two tensors of the shape of one item of x."""
    low, high = range
    if isinstance(low, tuple) and isinstance(high, tuple):
        widths = [(top - bottom) or 1.0 for bottom, top in zip(low, high, strict=True)]
        lows, width = (torch.tensor(each, dtype=torch.float32, device=x.device) for each in (low, widths))
        return lows.view(x.shape[1:]), width.view(x.shape[1:])
    assert not isinstance(low, tuple)
    assert not isinstance(high, tuple)
    return low, (high - low) or 1.0


def shape_of(like: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of one item of a run. like: the record of its input, about["input"]: shape, range, dtype."""
    return tuple(int(size) for size in like["shape"])


def range_of(like: Mapping[str, Any]) -> Range:
    """The values that are 0 and 1 to a run."""
    low, high = like["range"]
    if isinstance(low, (list, tuple)):
        return tuple(map(float, low)), tuple(map(float, high))
    return float(low), float(high)


def ends_of(range: Range) -> tuple[float, float]:
    """The least low and the greatest high, as one pair of numbers."""
    low, high = range
    return min(low) if isinstance(low, tuple) else low, max(high) if isinstance(high, tuple) else high


def by_column(range: Range) -> bool:
    """Whether each column of a row has its own low and high."""
    return isinstance(range[0], tuple)


def trained_type(like: Mapping[str, Any]) -> str:
    """Numpy's name of the dtype that a run was trained on; inferred from the range if it was not stored."""
    if "dtype" in like:
        return str(like["dtype"])
    _, high = ends_of(range_of(like))
    if like.get("float", high == 1):
        return "float32"
    return "int64" if high == 16 else "uint8" if high <= 255 else "uint16"  # 16: the built-in digits
