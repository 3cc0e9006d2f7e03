"""Data, a set of items with their stored values, and the scaling of stored values to [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, overload

import numpy as np
import torch
from torch import Tensor

from isthmus.errors import BadInput
from isthmus.types import Shape, times

MEMORY_BUDGET = 2**30  # bytes: a set up to this size is kept in memory, a larger one is read a batch at a time

Bound = float | tuple[float, ...]  # one for all values of an item, or one for each column
Range = tuple[Bound, Bound]
Indices = Sequence[int] | np.ndarray | Tensor


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


def kind_of_item(shape: Sequence[int]) -> str:
    """A shape in words: 'pictures of 3×32×32', 'rows of 784', 'sequences of 6×24'."""
    kind = {1: "rows", 2: "sequences", 3: "pictures"}.get(len(shape), "items")
    return f"{kind} of {times(shape)}"


class LazyArray(Protocol):
    """Items that are read on request: a memory map, images on disk, a Dataset."""

    @property
    def dtype(self) -> torch.dtype: ...

    def read(self, indices: np.ndarray) -> Tensor:
        """N×shape for N indices."""


class Numbered(Sequence[str]):
    """Names of unnamed items: their numbers as text, '00017', formatted on access."""

    def __init__(self, numbers: np.ndarray | range, width: int = 5) -> None:
        self.numbers, self.width = numbers, width

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Numbered: ...
    def __getitem__(self, index: int | slice) -> str | Numbered:
        if isinstance(index, slice):
            return Numbered(self.numbers[index], self.width)
        return f"{int(self.numbers[index]):0{self.width}d}"


@dataclass
class Data:
    """N items of one shape: `items` is a tensor N×... or a LazyArray; `rows` selects some of them.

    shape: of one item: (C, H, W) picture, (D,) table row, (C, T) sequence.
    range: the stored value lo that means 0.0, and hi that means 1.0; each a number, or a tuple of one a column.
    names: one per item. labels: N integers, or None. parts: the official splits as index arrays.
    pictures: for patches, the number of the image of each; the patches of an image stay in one part.
    table: the schema of a table as plain JSON: columns, categories, labels, omitted columns. ids: N texts, the names of
    its rows.
    paired: whether an item is a degraded image and its ground truth, concatenated along the first axis.
    skipped: (name, reason) of broken files. notes: sentences for the user. source: plain JSON.
    """

    items: Tensor | LazyArray
    shape: Shape
    range: Range
    names: Sequence[str]
    labels: np.ndarray | None = None
    parts: dict[str, np.ndarray] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    source: dict[str, Any] = field(default_factory=dict)
    rows: np.ndarray | None = None
    pictures: np.ndarray | None = None
    paired: bool = False
    table: dict[str, Any] | None = None
    ids: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def dtype(self) -> torch.dtype:
        return self.items.dtype

    @property
    def nbytes(self) -> int:
        return len(self) * math.prod(self.shape) * self.dtype.itemsize

    @property
    def seen(self) -> Shape:
        """The shape of the network input: of an item, or of the degraded image of a pair."""
        return (self.shape[0] // 2, *self.shape[1:]) if self.paired else self.shape

    @property
    def in_memory(self) -> bool:
        """Whether it fits in memory, so that `to(device)` may make it one tensor there."""
        return isinstance(self.items, Tensor) or self.nbytes <= MEMORY_BUDGET

    def batch(self, indices: Indices) -> Tensor:
        """N×shape in the stored dtype, on the device of the items, for N indices (list, array, tensor) or a mask.

        Raises IndexError past the end, and BadInput for a file that cannot be read.
        """
        if isinstance(self.items, Tensor):
            return self._pick(self.items, indices)
        if isinstance(indices, Tensor):
            indices = indices.cpu().numpy()
        positions = self._positions(indices)
        return self.items.read(positions if self.rows is None else self.rows[positions]).reshape(-1, *self.shape)

    def _positions(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Negative indices and masks as plain indices, avoiding an array as long as the data if possible."""
        index = _index_array(indices)
        if index.dtype == bool or (index < 0).any() or index.max(initial=-1) >= len(self):
            return np.arange(len(self))[index]  # raises IndexError past the end
        return index

    def _pick(self, items: Tensor, indices: Indices) -> Tensor:
        index = indices if isinstance(indices, Tensor) else torch.as_tensor(_index_array(indices))
        index = index.to(items.device)
        if self.rows is not None:
            index = torch.as_tensor(self.rows, device=items.device)[index]
        # Some builds of torch cannot index uint16; the same bits as int16 can be indexed everywhere.
        if items.dtype == torch.uint16:
            return items.view(torch.int16)[index].view(torch.uint16).reshape(-1, *self.shape)
        # index_select copies whole rows: six times as fast as items[index] for bytes.
        picked = items[index] if index.dtype == torch.bool else items.index_select(0, index.flatten())
        return picked.reshape(-1, *self.shape)

    def floats(self, indices: Indices | None = None) -> Tensor:
        """N×shape float32 scaled to [0, 1] by `range`; all items without indices."""
        return to_unit(self.batch(np.arange(len(self)) if indices is None else indices), self.range)

    def subset(self, indices: Indices) -> Data:
        """A view of some items, in that order, with their names, labels and parts; nothing is copied."""
        if isinstance(indices, Tensor):
            indices = indices.cpu().numpy()
        chosen = self._positions(indices)
        rows = chosen if self.rows is None else self.rows[chosen]
        if isinstance(self.names, Numbered):
            numbers = self.names.numbers  # not made an array if avoidable: that would be as long as the data
            taken = (
                chosen if isinstance(numbers, range) and numbers == range(len(self)) else np.asarray(numbers)[chosen]
            )
            names: Sequence[str] = Numbered(taken, self.names.width)
        else:
            names = [self.names[i] for i in chosen]
        labels = None if self.labels is None else self.labels[chosen]
        pictures = None if self.pictures is None else self.pictures[chosen]
        ids = None if self.ids is None else self.ids[chosen]
        parts = {name: np.flatnonzero(np.isin(chosen, part)) for name, part in self.parts.items()}
        return replace(self, rows=rows, names=names, labels=labels, parts=parts, pictures=pictures, ids=ids)

    def to(self, device: torch.device | str) -> Data:
        """The same set as one tensor on `device` (reads all items, so check `in_memory` first)."""
        items = self.items
        if not isinstance(items, Tensor) or self.rows is not None:
            items = self.batch(np.arange(len(self)))
        return replace(self, items=items.to(device), rows=None)

    def reshaped(self, shape: Shape) -> Data:
        """The same values with items of another shape: (784,) as (1, 28, 28) and back.

        Raises BadInput if the sizes differ or the order of values would be ambiguous.
        """
        if shape in (self.shape, self.seen):
            return self
        pictures = [s for s in (shape, self.shape) if len(s) == 3]
        rows = [s for s in (shape, self.shape) if len(s) == 1]
        if math.prod(shape) == math.prod(self.shape) and rows and pictures and pictures[0][0] == 1:
            return replace(self, shape=shape)
        name = self.source.get("path") or self.source.get("name", "data")
        raise BadInput(f"{name}: {kind_of_item(self.shape)}, but this run takes {times(shape)}")


def _index_array(indices: Sequence[int] | np.ndarray) -> np.ndarray:
    array = np.asarray(indices)
    return array if array.size else array.astype(np.int64)


def numpy_type(dtype: torch.dtype) -> np.dtype:
    return np.dtype(str(dtype).removeprefix("torch."))


def shape_of(like: Mapping[str, Any]) -> Shape:
    return tuple(int(size) for size in like["shape"])


def range_of(like: Mapping[str, Any]) -> Range:
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
