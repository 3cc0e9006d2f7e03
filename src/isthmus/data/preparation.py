"""Preprocessing of the input of a trained run: layout of arrays, value range, conversion of single images.

One rule for training, for every verb, for `load(run)` in Python and on the command line. For a trained run it depends
only on its training data and on the dtype, never on the values: so an item is treated equally alone and in any batch.
docs/data.md has the rule as a table.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data.array_layout import Layout, choose_layout
from isthmus.data.base import numpy_type
from isthmus.errors import BadInput, Note
from isthmus.fields import Range, by_column, ends_of, range_of, shape_of, to_unit, trained_type
from isthmus.media.array_axes import CHANNELS
from isthmus.media.array_values import Span, as_numpy, check_type, scan
from isthmus.media.bit_depth import NOISE, WHITE, WHITES, stored_type, white_of
from isthmus.media.high_bit_depth import over_white
from isthmus.media.image_reader import peek, read_picture, read_units
from isthmus.media.resize import fit, to_depth, to_white
from isthmus.types import Shape, times

MAX_ASPECT = 4  # up to this aspect ratio an array H×W is one image, not rows, for a run on images
OWN_WHITE = {"bool": 1.0, "uint8": 255.0, "uint16": 65535.0}  # white of the dtypes that have one of their own


def is_picture(shape: Shape) -> bool:
    return len(shape) == 3


def prepared(x: Any, like: Mapping[str, Any], name: str = "input") -> Tensor:
    """Anything array-like, or the path of an image -> float32 N×shape, the range of a run scaled to [0, 1].

    like: description of the training data (`about["input"]`): shape, range, dtype. Without a range, floats are in
    [0, 1] already. Images N×C×H×W of another size keep their size, for nets that take any; one image (a path, or H×W,
    H×W×C, C×H×W of 8 or 16 bits) is resized like the images of a folder.

    Raises BadInput, one line, for input that does not fit, and warns with a Note if the interpretation is ambiguous.
    """
    if isinstance(x, (str, os.PathLike)):
        return _of_file(Path(x), like)
    array = as_numpy(x)
    check_type(array.dtype, name)
    wanted = shape_of(like)
    if array.shape[:1] == (0,) and array.shape[1:] == wanted:
        return torch.zeros(0, *wanted)
    notes: list[str] = []
    array = framed(array, like, notes)
    any_size = array.ndim == 4 == len(wanted) + 1 and array.shape[1] == wanted[0] and 0 not in array.shape
    layout = Layout(array.shape[1:]) if any_size else choose_layout(array.shape, like, name)
    array = array[None] if layout.single else array
    span = scan(array, name)
    data_range = range_like(array.dtype, span, like, name, notes)
    for note in notes:
        warnings.warn(note, Note, stacklevel=4)
    items = layout.of(array) if any_size else layout.of(array).reshape(-1, *wanted)
    stored = np.array(items, dtype=stored_type(array.dtype, span), order="C")
    return to_unit(torch.from_numpy(stored), data_range)


def range_like(dtype: np.dtype, span: Span, like: Mapping[str, Any], name: str, notes: list[str]) -> Range:
    """`range_for`, then a check of the values: adds notes, and raises BadInput for values that cannot be of it."""
    data_range = range_for(dtype, like)
    notes += check_values(dtype, span, data_range, like, name)
    return data_range


# -- the rule for a trained run --


def range_for(dtype: np.dtype, like: Mapping[str, Any]) -> Range:
    """The values of a dtype that are scaled to 0 and 1 for a run, by the dtype and the run only.

    For the dtype of the training data, for a run on values in units (Hounsfield, counts, columns of a table), and for a
    dtype without a white of its own: the run's range. Else 0 to the white of the dtype: 1 for bool and floats, 255 for
    uint8, 65535 for uint16.
    """
    if "range" not in like:
        return (0.0, OWN_WHITE.get(dtype.name, 1.0))
    run = range_of(like)
    if not on_a_standard_scale(like) or dtype.name == trained_type(like):
        return run
    if dtype.kind == "f":
        return (0.0, 1.0)  # floats of another precision than the run's hold the same values: 0..1
    return (0.0, OWN_WHITE[dtype.name]) if dtype.name in OWN_WHITE else run


def on_a_standard_scale(like: Mapping[str, Any]) -> bool:
    """Whether a run's values are relative to white, from 0 on: integers, or floats in [0, 1]; else in units."""
    low, high = ends_of(range_of(like))
    if by_column(range_of(like)) or low != 0:
        return False
    return high == 1 or not like.get("float", high not in (*WHITES, 16.0))


def check_values(dtype: np.dtype, span: Span, data_range: Range, like: Mapping[str, Any], name: str) -> list[str]:
    """Notes about values interpreted in `data_range`. Raises BadInput for values that cannot be of that range."""
    known, white = "range" in like, ends_of(data_range)[1]
    if by_column(data_range) or (not known and dtype.kind == "f"):
        return []
    if known and not on_a_standard_scale(like):
        return outside(span, data_range)
    low, high = ends_of(range_of(like)) if known else (0.0, 1.0)
    trained = trained_type(like) if known else ""
    unit = [value / white for value in span]
    own = dtype.name == trained or (dtype.kind == "f" and trained.startswith("float"))
    signed = dtype.kind == "i" and span.low < 0
    rows_of_shares = own and dtype.kind == "f" and not is_picture(shape_of(like))
    far = not NOISE[0] <= unit[0] <= unit[1] <= NOISE[1] and not rows_of_shares
    if signed or (far and (dtype.kind == "f" or not own)):
        on = f"this run was trained on {trained} in {low:g}..{high:g}" if known else "this model is not trained yet"
        accepted = "floats in 0..1, uint8 and uint16" if is_picture(shape_of(like)) else f"{trained} and floats in 0..1"
        raise BadInput(
            f"{name}: {dtype.name} values from {span.low:g} to {span.high:g}, but {on}; accepted are {accepted}"
        )
    if known and not own and dtype.name in OWN_WHITE and data_range != (low, high):
        if dtype.name == "uint8" and (trained.startswith("float") or span.high > high):
            return []  # the usual meaning of uint8, and they cannot be in the run's own range
        return [
            f"{dtype.name} values up to {span.high:g} are read as shares of {white:g}; "
            f"this run was trained on {trained} in {low:g}..{high:g}"
        ]
    return outside(span, data_range) if own or dtype.kind != "f" else []


def outside(span: Span, data_range: Range, dtype: np.dtype | None = None) -> list[str]:
    """A note if values are outside of the range that a run was trained on; else [].

    dtype: of files. A note is also given for uint16 values below the white of fewer bits.
    """
    low, high = ends_of(data_range)
    if low <= span.low and span.high <= high:
        white = white_of(span.high) if dtype == np.uint16 and low == 0 and 0 < span.high <= WHITES[-1] else high
        if white >= high or high not in WHITES:
            return []
        return [
            f"values up to {span.high:g} are dark to this run, whose white is {high:g}; if their white is {white:g}, "
            f"scale them to {high:g}, or train on such with {WHITE}{white:g}"
        ]
    return [
        f"values from {span.low:g} to {span.high:g} reach outside the {low:g}..{high:g} that this run was trained on"
    ]


# -- one image --


def framed(array: np.ndarray, like: Mapping[str, Any], notes: list[str]) -> np.ndarray:
    """One image that is not of the run's shape, resized like a file to 1×C×H×W of the same dtype; else the array.

    Accepts H×W×C, C×H×W or H×W of 8 or 16 bits; in the run's own size any dtype, gray or color. Rows and sets of
    images are returned unchanged.
    """
    shape = shape_of(like)
    if not is_picture(shape) or array.ndim not in (2, 3) or 0 in array.shape:
        return array
    if array.shape in (shape, (*shape[1:], shape[0])) or (array.shape == shape[1:] and shape[0] == 1):
        return array
    if array.shape[-1] == np.prod(shape) or (array.ndim == 3 and shape[0] == 1 and array.shape[1:] == shape[1:]):
        return array  # rows, or a set of gray images
    picture = array.astype(np.uint8) * np.uint8(255) if array.dtype == bool else array
    if picture.ndim == 3 and picture.shape[-1] in CHANNELS and picture.shape[0] not in CHANNELS:
        picture = picture.transpose(2, 0, 1)
    picture = picture[None] if picture.ndim == 2 else picture
    if picture.shape[0] not in CHANNELS or shape[0] not in (1, 3):
        return array
    one = array.ndim == 3 or like.get("whole") or max(array.shape) <= MAX_ASPECT * min(array.shape)
    if picture.shape[1:] != shape[1:]:
        if array.dtype.name not in ("uint8", "uint16") or not one:
            return array
        if array.ndim == 2:
            notes.append(f"{times(array.shape)} is read as one picture, as this run takes {times(shape)}")
    if len(picture) == 4:  # transparency is composited over white, as in the images of a folder
        picture = flattened(picture)
    if len(picture) != shape[0]:
        kinds = {1: "gray", 3: "color"}
        notes.append(f"one {kinds[len(picture)]} picture is made {kinds[shape[0]]}, as this run takes {times(shape)}")
    fitted = fit(np.ascontiguousarray(picture), shape, picture.dtype, stretch=bool(like.get("whole")))  # type: ignore[arg-type]
    return fitted[None]


def flattened(picture: np.ndarray) -> np.ndarray:
    """4×H×W, color and alpha, composited over white: 3×H×W of the same dtype."""
    if picture.dtype.kind == "f":
        return np.asarray(picture[:3] * picture[3:] + (1 - picture[3:]))
    samples = to_depth(np.moveaxis(picture, 0, -1), np.dtype(np.uint16))
    return np.moveaxis(to_depth(over_white(samples[..., :3], samples[..., 3:]), picture.dtype), -1, 0)


def _of_file(path: Path, like: Mapping[str, Any]) -> Tensor:
    """1×C×H×W of an image file, resized and scaled like the images of a folder."""
    header, shape = peek(path), shape_of(like)
    if not is_picture(shape):
        raise BadInput(f"{path}: is a picture, but this run takes {times(shape)}")
    dtype, data_range = file_numbers(like, deep=header.deep, units=bool(header.units))
    picture = read_units(path) if dtype == torch.float32 else read_picture(path)
    white = ends_of(data_range)[1] if dtype == torch.uint16 else 65535.0
    if header.stated and ends_of(data_range)[0] == 0:
        picture = to_white(picture, white)
    fitted = fit(picture, shape, numpy_type(dtype), stretch=bool(like.get("whole")), white=white)  # type: ignore[arg-type]
    stored = np.dtype(np.uint16) if header.deep and dtype == torch.uint16 and not header.stated else None
    for note in outside(Span(float(fitted.min()), float(fitted.max())), data_range, stored):
        warnings.warn(f"{path}: {note}", Note, stacklevel=4)
    return to_unit(torch.from_numpy(fitted.copy())[None], data_range)


def file_numbers(like: Mapping[str, Any], deep: bool, units: bool = False) -> tuple[torch.dtype, Range]:
    """(dtype of decoded image files for a run, the values of it that are scaled to 0 and 1).

    deep: whether a file has more than 8 bits, which matters only for a run that was not trained on integers.
    units: whether all files hold values without a white level, which a new run, and a run on such values, keeps.
    """
    if units and ("range" not in like or not on_a_standard_scale(like)):
        return torch.float32, range_of(like) if "range" in like else (0.0, 1.0)
    if "range" in like and trained_type(like) == "uint16":
        return torch.uint16, range_of(like)
    if "range" in like and on_a_standard_scale(like) and not trained_type(like).startswith("float"):
        return (torch.uint16, range_of(like)) if ends_of(range_of(like))[1] > 255 else (torch.uint8, (0.0, 255.0))
    return (torch.uint16, (0.0, 65535.0)) if deep else (torch.uint8, (0.0, 255.0))
