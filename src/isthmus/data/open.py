"""open_data: opens files, folders, built-in names, arrays, tables and Datasets as Data."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data.arrays import open_array, open_dataset
from isthmus.data.base import Data, kind_of_item
from isthmus.data.builtin import BUILTIN, is_builtin, open_builtin
from isthmus.data.folders import open_pictures
from isthmus.data.numpy_files import open_file
from isthmus.data.selection import Selection, select_files
from isthmus.data.shards import is_shards, open_shards
from isthmus.data.tables import OPTIONS, TABLES, TableOptions, open_frame, open_table
from isthmus.errors import BadInput, unknown
from isthmus.fields import KINDS, NEAREST, SPATIAL, shape_of
from isthmus.media import resize
from isthmus.media.array_values import as_numpy
from isthmus.media.bit_depth import WHITE
from isthmus.media.image_reader import SUFFIXES, is_picture_name

ACCEPTED = f"accepted are a folder, {', '.join('.' + suffix for suffix in SUFFIXES)}, .npy, .npz, .csv"


def open_data(
    source: Any,
    *,
    size: int | None = None,
    gray: bool | None = None,
    like: Mapping[str, Any] | None = None,
    first: int | None = None,
    cut: int | None = None,
    whole: int | None = None,
    white: float | None = None,
    table: TableOptions | None = None,
    largest: int | None = None,
    picture: bool = False,
    kind: str = "",
) -> Data:
    """Open a built-in name, folder, image, .npy, .npz, .csv, array, tensor or Dataset; Data is returned unchanged.

    size: images are resized to size×size. gray: True converts them to gray. first: only the first items. cut, whole,
    largest: of image folders, see open_pictures. white: the white level of integers, such as 4095 for 12 bits in 16,
    instead of the inferred one. table: options of a .csv. picture: of a .npy or .npz file, images are expected, see
    open_array. kind: one of isthmus.fields.KINDS: "series" for an array N×C×T, which else is N gray images; "labels"
    for integers that are used as stored; "mask". Labels and masks are resized without interpolation.
    like: {"shape", "range"} of a trained run, to which the data is adapted: image files are converted, arrays must have
    its shape. `floats()` of the result is then the input of that run, whatever the stored dtype. A built-in name takes
    precedence over a folder of that name; write ./mnist for the folder.

    Raises BadInput, one line that names the input, what is wrong with it and what is accepted.
    """
    for name, value in (("size", size), ("first", first), ("cut", cut), ("whole", whole), ("largest", largest)):
        if value is not None and value < 1:
            raise BadInput(f"{name} {value}: it must be at least 1")
    if kind and kind not in KINDS:
        raise unknown("kind of field", kind, KINDS)
    source = select_files(source)
    options: dict[str, Any] = {"size": size, "gray": gray, "like": like, "cut": cut, "whole": whole, "largest": largest}
    options["kind"] = kind if kind in SPATIAL else "image"
    if isinstance(source, Selection):
        data = open_pictures(source.folder, names=source.names, first=first, **options)
        data = replace(data, source={**data.source, "kind": "files"})
    elif isinstance(source, (str, os.PathLike)):
        data = _open_path(os.fspath(source), options, first, table, picture, kind)
    elif isinstance(source, Data):
        data = source
    elif isinstance(source, (np.ndarray, Tensor)):
        named: dict[str, Any] = {"name": "array", "source": {"kind": "array", "name": "array"}}
        data = open_array(as_numpy(source), like=like, kind=kind, **named)
    elif hasattr(source, "to_csv") and hasattr(source, "columns"):
        data = open_frame(source, like, table)
    elif hasattr(source, "__len__") and hasattr(source, "__getitem__"):
        data = open_dataset(source, like, kind)
    else:
        raise BadInput(f"data of type {type(source).__name__}; {ACCEPTED}, an array, a tensor or a Dataset")
    if like is not None:
        data = data.reshaped(shape_of(like))
    elif table is not None and data.table is None:
        raise BadInput(
            f"{data.source.get('path', 'data')}: {', '.join(OPTIONS)} are options of a table, such as a .csv"
        )
    elif size is not None or gray:
        data = _conformed(data, size, gray)
    if white is not None:
        data = with_white(data, white)
    if first is not None and first < len(data):
        data = data.subset(np.arange(first))
        data = replace(data, source={**data.source, "count": first, "first": first})
    return data


def with_white(data: Data, white: float) -> Data:
    """The same set with 0..white scaled to 0..1. Raises BadInput for values that are not integers from 0 on."""
    if data.dtype.is_floating_point:
        raise BadInput(f"white={white:g}: applies to integers from 0 on, and this data holds other values")
    notes = [note for note in data.notes if WHITE not in note]  # notes on the inferred white level
    return replace(data, range=(0.0, float(white)), notes=notes)


def _open_path(
    text: str, options: dict[str, Any], first: int | None, table: TableOptions | None, picture: bool, kind: str
) -> Data:
    """options: of open_pictures."""
    if is_builtin(text):
        return open_builtin(text)
    if not text:
        raise BadInput(f"data has no name; {ACCEPTED}")
    path = Path(text)
    if is_shards(text):
        return open_shards(text, size=options["size"], gray=options["gray"], like=options["like"])
    try:
        if path.exists() and not path.is_dir() and not path.is_file():
            raise BadInput(f"{text}: is neither a file nor a folder")
        if path.is_dir():
            return open_pictures(path, first=first, **options)
        if not path.exists():
            close = difflib.get_close_matches(text.lower(), BUILTIN, n=1, cutoff=0.6)
            hint = f"did you mean {close[0]!r}?" if close else f"built-in sets are {', '.join(BUILTIN)}; {ACCEPTED}"
            raise BadInput(f"{text}: no such file, folder or built-in set; {hint}")
        if path.suffix.lower() in (".npy", ".npz"):
            return open_file(path, options["like"], picture, kind)
        if path.suffix.lower() in TABLES:
            return open_table(path, options["like"], table)
        if is_picture_name(path):
            return open_pictures(path, **options)
    except OSError as error:
        raise BadInput(f"{text}: cannot be read ({(error.strerror or str(error)).lower()})") from error
    raise BadInput(f"{text}: not a kind of file that can be read; {ACCEPTED}")


@dataclass
class Conformed:
    """Images of an opened set, resized or converted to gray on reading."""

    data: Data
    shape: tuple[int, int, int]

    @property
    def dtype(self) -> torch.dtype:
        return self.data.dtype

    def read(self, indices: np.ndarray) -> Tensor:
        images, (channels, height, width) = self.data.batch(indices).cpu().numpy(), self.shape
        nearest = self.data.kind in NEAREST
        fitted = [resize.resize(resize.to_channels(one, channels), height, width, nearest=nearest) for one in images]
        return torch.from_numpy(np.stack(fitted) if fitted else np.empty((0, *self.shape), images.dtype))


def _conformed(data: Data, size: int | None, gray: bool | None) -> Data:
    """`data` with images of size×size, or gray, in every field; `data` itself if they are so already."""
    if len(data.shape) != 3:
        raise BadInput(f"{data.source.get('path', 'data')}: {kind_of_item(data.shape)} have no size or color to choose")
    channels, height, width = data.shape
    shape = (1 if gray and channels in (3, 4) else channels, size or height, size or width)
    if shape == data.shape:
        return data
    source = {**data.source, "size": list(shape[1:]), "gray": shape[0] == 1}
    own = replace(
        data, items=Conformed(replace(data, further={}), shape), shape=shape, source=source, rows=None, further={}
    )
    rows = np.arange(len(data)) if data.rows is None else data.rows
    for name, other in data.further.items():
        part = other.subset(rows)
        own = own.with_field(name, _conformed(part, size, gray) if len(part.shape) == 3 else part)
    return own.to("cpu") if math.prod(shape) and own.in_memory else own


def is_folder(data: Any) -> bool:
    """Whether `data` is the path of a folder and not a built-in name."""
    return isinstance(data, (str, os.PathLike)) and not is_builtin(data) and Path(data).is_dir()
