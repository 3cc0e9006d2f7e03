"""Arrays as Data: numpy arrays, memory maps, tensors, Datasets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data import base
from isthmus.data.array_layout import Layout, choose_layout, image_layout, note_of_one
from isthmus.data.base import Data, Numbered, numpy_type
from isthmus.data.column_ranges import range_by_column, share_one
from isthmus.data.preparation import framed, range_like
from isthmus.errors import BadInput
from isthmus.media.array_axes import image_axes
from isthmus.media.array_values import Span, as_numpy, check_type, chunks, scan
from isthmus.media.bit_depth import choose_range, stored_type

FULLY_HASHED = 2**28  # bytes up to which a fingerprint covers the full array; of larger ones it covers the two ends


class Items:
    """A Dataset (with a length and numbered items) as an array N×item that is read on request."""

    def __init__(self, dataset: Any, name: str) -> None:
        self.dataset, self.name = dataset, name
        if len(dataset) == 0:
            raise BadInput(f"{name}: holds no items")
        first = self._item(0)
        self.shape, self.dtype = (len(dataset), *first.shape), first.dtype
        self.ndim = len(self.shape)
        self.nbytes = len(dataset) * first.nbytes

    def __getitem__(self, index: Any) -> np.ndarray:
        chosen = np.arange(len(self.dataset))[index]
        items = [self._item(int(i)) for i in chosen]
        if any(item.shape != self.shape[1:] for item in items):
            odd = next(i for i, item in zip(chosen, items, strict=True) if item.shape != self.shape[1:])
            raise BadInput(f"{self.name}: item {odd} has another shape than item 0; all must have the same")
        return np.stack(items) if items else np.empty((0, *self.shape[1:]), self.dtype)

    def _item(self, index: int) -> np.ndarray:
        item = self.dataset[index]
        item = item[0] if isinstance(item, (tuple, list)) and len(item) else item
        if type(item).__module__.startswith("PIL."):
            from isthmus.media.image_reader import pixels_of

            return np.moveaxis(pixels_of(item, f"{self.name}, item {index}"), -1, 0)
        array = as_numpy(item)
        check_type(array.dtype, f"{self.name}, item {index}")
        return array


@dataclass
class Mapped:
    """An array in memory, on disk or of a Dataset, read as N×shape of one torch dtype."""

    array: Any
    layout: Layout
    dtype: torch.dtype

    def read(self, indices: np.ndarray) -> Tensor:
        items = np.asarray(self.array[indices])
        return torch.from_numpy(np.ascontiguousarray(self.layout.of(items), dtype=numpy_type(self.dtype)))


def open_array(
    array: Any,
    *,
    name: str,
    source: Mapping[str, Any],
    like: Mapping[str, Any] | None = None,
    labels: Any = None,
    columns: Sequence[str] | None = None,
    picture: bool = False,
    kind: str = "",
) -> Data:
    """An array, memory map or `Items` as Data. columns: names of the columns of a table. picture: images are expected,
    with the axes that image_axes finds; source["one"] tells whether the array is one image. kind: of the field, see
    open_data.

    Raises BadInput for a shape or dtype that is not accepted, no items, or any NaN or infinite value.
    """
    check_type(array.dtype, name)
    notes: list[str] = []
    if like is not None and isinstance(array, np.ndarray):
        array = framed(array, like, notes)
    shape = tuple(array.shape)
    if picture and (axes := image_axes(shape)):
        layout = image_layout(shape, axes)
        notes += [f"{name}: {note}"] if (note := note_of_one(shape, axes)) else []
        source = {**source, "one": layout.single}
    else:
        layout = choose_layout(shape, like, name, kind)
    if layout.single:
        array = array[:][None]
    span = scan(array, name)
    if like is not None:
        data_range = range_like(array.dtype, span, like, name, notes)
    elif kind == "labels":
        data_range = (0.0, 1.0)  # not used
    elif rows_of_a_table(array, layout) and not share_one(array, columns):
        data_range = range_by_column(array, columns, notes)
    else:
        data_range = choose_range(array.dtype, span, notes)
    stored = label_type(array.dtype, span, name) if kind == "labels" else stored_type(array.dtype, span)
    count = int(array.shape[0])
    lazy = Mapped(array, layout, getattr(torch, stored.name))
    on_disk = isinstance(array, np.memmap)
    small = array.nbytes <= base.MEMORY_BUDGET and not on_disk
    return Data(
        items=lazy.read(np.arange(count)) if small else lazy,
        shape=layout.shape,
        range=data_range,
        names=Numbered(range(count)),
        labels=as_labels(labels, count),
        notes=notes,
        kind=kind,
        source={
            **source,
            "fingerprint": fingerprint(array),
            "count": count,
            "stored": list(array.shape[1:]),
            "dtype": array.dtype.name,
        },
    )


def label_type(dtype: np.dtype, span: Span, name: str) -> np.dtype:
    """The dtype of stored labels: uint8 if they fit, else int32 or int64. Raises BadInput for floats."""
    if dtype.kind not in "bui":
        raise BadInput(f"{name}: holds {dtype.name}, but labels are integers")
    low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    return np.dtype(
        np.uint8
        if 0 <= span.low <= span.high <= 255
        else np.int32
        if low <= span.low <= span.high <= high
        else np.int64
    )


def rows_of_a_table(array: Any, layout: Layout) -> bool:
    """Whether the items may be rows with columns of different kinds; rows of bytes or booleans are flat images."""
    return len(layout.shape) == 1 and array.dtype.kind in "uif" and array.dtype != np.uint8


def open_dataset(dataset: Any, like: Mapping[str, Any] | None = None, kind: str = "") -> Data:
    """A Dataset: it has a length and items that are arrays, tensors or PIL images, or tuples that begin with one."""
    name = type(dataset).__name__
    labels = next((getattr(dataset, key) for key in ("targets", "labels") if hasattr(dataset, key)), None)
    source = {"kind": "dataset", "name": name}
    items: Any = Items(dataset, name)
    if items.nbytes <= base.MEMORY_BUDGET:
        items = items[:]  # read once: a Dataset may be slow or random
    return open_array(items, name=name, source=source, like=like, labels=labels, kind=kind)


def as_labels(labels: Any, count: int) -> np.ndarray | None:
    """Labels as N integers; None if they are anything else than one integer per item."""
    with suppress(ValueError, TypeError):
        array = as_numpy(labels)
        if array.shape in ((count,), (count, 1)) and array.dtype.kind in "uib":
            return array.reshape(count).astype(np.int64)
    return None


def fingerprint(array: Any) -> str:
    """sha256 of shape, dtype and bytes; of a large array only the first and last items."""
    digest = hashlib.sha256(f"{tuple(array.shape)} {array.dtype.str}".encode())
    count = array.shape[0]
    if array.nbytes <= FULLY_HASHED:
        for _, chunk in chunks(array):
            digest.update(np.ascontiguousarray(chunk).data)
    else:
        ends = max(1, FULLY_HASHED * count // array.nbytes // 2)
        for part in (array[:ends], array[max(ends, count - ends) :]):
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()
