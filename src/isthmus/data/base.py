"""Data: a set of items as named fields of stored values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, overload

import numpy as np
import torch
from torch import Tensor

from isthmus.errors import BadInput
from isthmus.fields import Field, Range, to_unit
from isthmus.types import Sample, Shape, times

MEMORY_BUDGET = 2**30  # bytes: a set up to this size is kept in memory, a larger one is read a batch at a time

Indices = Sequence[int] | np.ndarray | Tensor
Read = Callable[[Any], dict[str, Tensor]]  # rows of items -> the fields of these items
Skip = Callable[[Read, Any], dict[str, Tensor]]  # the same for a function and rows, some of which cannot be read


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

    shape: of one item: (C, H, W) image, (D,) table row, (C, T) series. kind: one of isthmus.fields.KINDS, or "" for
    that of the shape. further: other fields of the same items, such as "target" or "weight", by name; each is a Data
    with one item for each of `items`. skip: replacements of unreadable items, see `skipping_corrupt`. range: the stored
    value lo that means 0.0, and hi that means 1.0; each a number, or a tuple of one a column. names: one per item.
    labels: N integers, or None. parts: the official splits as index arrays. pictures: the number of the image
    of each patch, or of the group of each item, which stay in one part. strata: the number of the stratum of each item,
    such as its product; every part has its share of each. table: the schema of a table as plain JSON:
    columns, categories, labels, omitted columns. ids: N texts, the names of its rows. skipped: (name, reason) of broken
    files. notes: sentences for the user. source: plain JSON.
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
    strata: np.ndarray | None = None
    kind: str = ""
    further: dict[str, Data] = field(default_factory=dict)
    skip: Skip | None = None
    table: dict[str, Any] | None = None
    ids: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def dtype(self) -> torch.dtype:
        return self.items.dtype

    @property
    def nbytes(self) -> int:
        own = len(self) * math.prod(self.shape) * self.dtype.itemsize
        return own + sum(data.nbytes for data in self.further.values())

    @property
    def in_memory(self) -> bool:
        """Whether it fits in memory, so that `to(device)` may make it tensors there."""
        loaded = all(isinstance(data.items, Tensor) for data in (self, *self.further.values()))
        return loaded or self.nbytes <= MEMORY_BUDGET

    @cached_property
    def fields(self) -> dict[str, Field]:
        """The fields of an item by name: "x", and those of `further`."""
        of_shape = {1: "vector", 2: "series"}.get(len(self.shape), "image")
        kind = self.kind or ("table" if self.table else of_shape)
        own = Field(kind, self.shape, self.dtype, None if kind == "labels" else self.range)
        return {"x": own, **{name: data.fields["x"] for name, data in self.further.items()}}

    def batch(self, indices: Indices) -> Tensor:
        """N×shape in the stored dtype, on the device of the items, for N indices (list, array, tensor) or a mask.

        Raises IndexError past the end, and BadInput for a file that cannot be read.
        """
        return self._fetch(lambda rows: {"x": self._at(rows)}, indices)["x"]

    read = batch  # as a LazyArray has it

    def sample(self, indices: Indices) -> Sample:
        """A batch of all fields, each in its stored dtype; without a field "target", x is its own target.

        `Sample.in_units` scales it. Raises as `batch` does.
        """
        if not self.further:
            x = self.batch(indices)
            return Sample(x, x, fields=self.fields)
        return Sample.of_fields(self._fetch(self._fields_at, indices), self.fields)

    def _fetch(self, read: Read, indices: Indices) -> dict[str, Tensor]:
        rows = self._rows(indices)
        return read(rows) if self.skip is None else self.skip(read, rows)

    def _fields_at(self, rows: Any) -> dict[str, Tensor]:
        return {"x": self._at(rows), **{name: data.batch(rows) for name, data in self.further.items()}}

    def _rows(self, indices: Indices) -> Any:
        """The rows of `items` for indices: a tensor on its device if it is a tensor, else an array."""
        if isinstance(self.items, Tensor):
            index = indices if isinstance(indices, Tensor) else torch.as_tensor(_index_array(indices))
            index = index.to(self.items.device)
            index = index.nonzero().flatten() if index.dtype == torch.bool else index.flatten()
            return index if self.rows is None else torch.as_tensor(self.rows, device=index.device)[index]
        positions = self._positions(indices)
        return positions if self.rows is None else self.rows[positions]

    def _at(self, rows: Any) -> Tensor:
        if not isinstance(self.items, Tensor):
            return self.items.read(rows).reshape(-1, *self.shape)
        rows = torch.as_tensor(rows, device=self.items.device)
        # Some builds of torch cannot index uint16; the same bits as int16 can be indexed everywhere.
        if self.items.dtype == torch.uint16:
            return self.items.view(torch.int16)[rows].view(torch.uint16).reshape(-1, *self.shape)
        # index_select copies whole rows: six times as fast as items[index] for bytes.
        return self.items.index_select(0, rows).reshape(-1, *self.shape)

    def _positions(self, indices: Indices) -> np.ndarray:
        """Negative indices and masks as plain indices, avoiding an array as long as the data if possible."""
        index = _index_array(indices)
        if index.dtype == bool or (index < 0).any() or index.max(initial=-1) >= len(self):
            return np.arange(len(self))[index]  # raises IndexError past the end
        return index

    def floats(self, indices: Indices | None = None) -> Tensor:
        """N×shape float32 scaled to [0, 1] by `range`; all items without indices."""
        return to_unit(self.batch(np.arange(len(self)) if indices is None else indices), self.range)

    def subset(self, indices: Indices) -> Data:
        """A view of some items, in that order, with their names, labels and parts; nothing is copied."""
        chosen = self._positions(indices)
        rows = chosen if self.rows is None else self.rows[chosen]
        if isinstance(self.names, Numbered):
            numbers = self.names.numbers  # not made an array if avoidable: that would be as long as the data
            every = isinstance(numbers, range) and numbers == range(len(self))
            names: Sequence[str] = Numbered(chosen if every else np.asarray(numbers)[chosen], self.names.width)
        else:
            names = [self.names[i] for i in chosen]
        parts = {name: np.flatnonzero(np.isin(chosen, part)) for name, part in self.parts.items()}
        of_items: dict[str, Any] = {name: getattr(self, name) for name in ("labels", "pictures", "strata", "ids")}
        of_items = {name: None if each is None else each[chosen] for name, each in of_items.items()}
        return replace(self, rows=rows, names=names, parts=parts, **of_items)

    def to(self, device: torch.device | str) -> Data:
        """The same set as tensors on `device` (reads all items, so check `in_memory` first)."""
        sets = {"x": self, **self.further}
        if all(isinstance(data.items, Tensor) and data.rows is None for data in sets.values()):
            tensors: dict[str, Any] = {name: data.items for name, data in sets.items()}
        else:
            tensors = self._fetch(self._fields_at, np.arange(len(self)))
        moved = {name: replace(data, items=tensors[name].to(device), rows=None) for name, data in sets.items()}
        return replace(moved.pop("x"), further=moved, skip=None)

    def with_field(self, name: str, data: Data) -> Data:
        """The same items with a further field: item i of `data` belongs to item i."""
        aligned = self if self.rows is None else replace(self, items=self, rows=None, further={}, skip=None)
        further = {key: each if self.rows is None else each.subset(self.rows) for key, each in self.further.items()}
        return replace(aligned, further={**further, name: data})

    def reshaped(self, shape: Shape) -> Data:
        """The same values with items of another shape: (784,) as (1, 28, 28) and back.

        Raises BadInput if the sizes differ or the order of values would be ambiguous.
        """
        if shape == self.shape:
            return self
        row, picture = sorted((shape, self.shape), key=len)
        if math.prod(row) == math.prod(picture) and (len(row), len(picture)) == (1, 3) and picture[0] == 1:
            return replace(self, shape=shape)
        name = self.source.get("path") or self.source.get("name", "data")
        raise BadInput(f"{name}: {kind_of_item(self.shape)}, but this run takes {times(shape)}")


def _index_array(indices: Indices) -> np.ndarray:
    array = np.asarray(indices.cpu() if isinstance(indices, Tensor) else indices)
    return array if array.size else array.astype(np.int64)


def numpy_type(dtype: torch.dtype) -> np.dtype:
    return np.dtype(str(dtype).removeprefix("torch."))
