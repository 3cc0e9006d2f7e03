"""What an array means: which axes count items, rows, columns and channels, and which numbers are black and white.

One rule for training, for every verb, for `load(run)` in Python and on the command line. For a trained run it follows
from what the run was trained on and from the type of the numbers alone, never from their values: so an item means the
same alone as in any batch. docs/data.md has the rule as a table.
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
from isthmus.data.base import Range, by_column, ends_of, numpy_type, range_of, shape_of, to_unit
from isthmus.errors import BadInput, Note
from isthmus.media.array_values import Span, as_numpy, check_type, scan
from isthmus.media.bit_depth import NOISE, WHITE, WHITES, stored_type, white_of
from isthmus.media.high_bit_depth import over_white
from isthmus.media.image_reader import peek, read_picture, read_units
from isthmus.media.npy_images import CHANNELS
from isthmus.media.resize import fit, to_depth, to_white
from isthmus.types import Shape, times

LONGEST = 4  # as many times as long as wide an array H×W is one picture, and not rows, to a run of pictures
OWN = {"bool": 1.0, "uint8": 255.0, "uint16": 65535.0}  # the white of the types that have one of their own


def is_picture(shape: Shape) -> bool:
    return len(shape) == 3


def prepared(x: Any, like: Mapping[str, Any], name: str = "input") -> Tensor:
    """Anything array-like, or the path of a picture -> float32 N×shape in the units of a run, [0, 1] for its range.

    like: what the run was trained on (`about["input"]`): shape, range, and the type of its numbers. Without a range
    floats are in [0, 1] already. Pictures of another size, N×C×H×W, are left in that size, for nets that take any; one
    picture (a path, or H×W, H×W×C, C×H×W of 8 or 16 bits) is made to fit as the pictures of a folder are.

    Raises BadInput, one line, for what does not fit, and warns with a Note where the reading is a judgement.
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
    """`range_for`, after a look at the values: notes are added, and BadInput raised where they cannot be meant so."""
    data_range = range_for(dtype, like)
    notes += judged(dtype, span, data_range, like, name)
    return data_range


# -- the rule for a trained run --


def range_for(dtype: np.dtype, like: Mapping[str, Any]) -> Range:
    """The numbers of this type that mean 0 and 1 for a run: by the type and the run alone.

    Numbers of the type that the run was trained on, numbers in units (Hounsfield, counts, the columns of a table), and
    types that have no white of their own: the run's range. Else the white of the type: 1 for bool and floats, 255 for
    uint8, 65535 for uint16.
    """
    if "range" not in like:
        return (0.0, OWN.get(dtype.name, 1.0))
    run = range_of(like)
    if not on_a_standard_scale(like) or dtype.name == trained_type(like):
        return run
    if dtype.kind == "f":
        return (0.0, 1.0)  # floats of another width than those of the run are the same numbers: 0..1 both
    return (0.0, OWN[dtype.name]) if dtype.name in OWN else run


def trained_type(like: Mapping[str, Any]) -> str:
    """The type of the numbers that a run was trained on, as numpy calls it; found by the range where none is kept."""
    if "dtype" in like:
        return str(like["dtype"])
    _, high = ends_of(range_of(like))
    if like.get("float", high == 1):
        return "float32"
    return "int64" if high == 16 else "uint8" if high <= 255 else "uint16"  # 16: the built-in digits


def on_a_standard_scale(like: Mapping[str, Any]) -> bool:
    """Whether a run's numbers are shares of white, from 0 on: whole numbers, or floats in [0, 1]; else units."""
    low, high = ends_of(range_of(like))
    if by_column(range_of(like)) or low != 0:
        return False
    return high == 1 or not like.get("float", high not in (*WHITES, 16.0))


def judged(dtype: np.dtype, span: Span, data_range: Range, like: Mapping[str, Any], name: str) -> list[str]:
    """What is to be told of numbers read in `data_range`. Raises BadInput where they cannot have been meant so."""
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
    if known and not own and dtype.name in OWN and data_range != (low, high):
        if dtype.name == "uint8" and (trained.startswith("float") or span.high > high):
            return []  # a share of 255, as everyone has it, and they cannot be the run's own numbers
        return [
            f"{dtype.name} values up to {span.high:g} are read as shares of {white:g}; "
            f"this run was trained on {trained} in {low:g}..{high:g}"
        ]
    return outside(span, data_range) if own or dtype.kind != "f" else []


def outside(span: Span, data_range: Range, dtype: np.dtype | None = None) -> list[str]:
    """A note where values lie outside of what a run was trained on; none where they do not.

    dtype: that of the numbers in files. Of uint16 that stay below the white of fewer bits a note says so too.
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


# -- one picture --


def framed(array: np.ndarray, like: Mapping[str, Any], notes: list[str]) -> np.ndarray:
    """One picture that is not of the run's shape, made to fit as a file is, 1×C×H×W of the same type; else the array.

    H×W×C, C×H×W or H×W of 8 or 16 bits; of the run's own size any type, gray or color.
    Rows and sets of pictures stay as they are.
    """
    shape = shape_of(like)
    if not is_picture(shape) or array.ndim not in (2, 3) or 0 in array.shape:
        return array
    if array.shape in (shape, (*shape[1:], shape[0])) or (array.shape == shape[1:] and shape[0] == 1):
        return array
    if array.shape[-1] == np.prod(shape) or (array.ndim == 3 and shape[0] == 1 and array.shape[1:] == shape[1:]):
        return array  # a row of numbers an item, or one gray picture after another
    picture = array.astype(np.uint8) * np.uint8(255) if array.dtype == bool else array
    if picture.ndim == 3 and picture.shape[-1] in CHANNELS and picture.shape[0] not in CHANNELS:
        picture = picture.transpose(2, 0, 1)
    picture = picture[None] if picture.ndim == 2 else picture
    if picture.shape[0] not in CHANNELS or shape[0] not in (1, 3):
        return array
    one = array.ndim == 3 or like.get("whole") or max(array.shape) <= LONGEST * min(array.shape)
    if picture.shape[1:] != shape[1:]:
        if array.dtype.name not in ("uint8", "uint16") or not one:
            return array
        if array.ndim == 2:
            notes.append(f"{times(array.shape)} is read as one picture, as this run takes {times(shape)}")
    if len(picture) == 4:  # transparency over white, as in the pictures of a folder
        picture = flattened(picture)
    if len(picture) != shape[0]:
        words = {1: "gray", 3: "color"}
        notes.append(f"one {words[len(picture)]} picture is made {words[shape[0]]}, as this run takes {times(shape)}")
    fitted = fit(np.ascontiguousarray(picture), shape, picture.dtype, stretch=bool(like.get("whole")))  # type: ignore[arg-type]
    return fitted[None]


def flattened(picture: np.ndarray) -> np.ndarray:
    """4×H×W, the last of which is alpha, laid over white: 3×H×W of the same type."""
    if picture.dtype.kind == "f":
        return np.asarray(picture[:3] * picture[3:] + (1 - picture[3:]))
    samples = to_depth(np.moveaxis(picture, 0, -1), np.dtype(np.uint16))
    return np.moveaxis(to_depth(over_white(samples[..., :3], samples[..., 3:]), picture.dtype), -1, 0)


def _of_file(path: Path, like: Mapping[str, Any]) -> Tensor:
    """1×C×H×W of a picture file, scaled as the pictures of a folder are."""
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
    """The type that picture files become for a run, and the numbers that mean 0 and 1 in it.

    deep: whether a file has more than 8 bits, which decides only for a run that was not trained on whole numbers.
    units: whether all files are of numbers that have no white; so they are read for a new run, and for one on such.
    """
    if units and ("range" not in like or not on_a_standard_scale(like)):
        return torch.float32, range_of(like) if "range" in like else (0.0, 1.0)
    if "range" in like and trained_type(like) == "uint16":
        return torch.uint16, range_of(like)
    if "range" in like and on_a_standard_scale(like) and not trained_type(like).startswith("float"):
        return (torch.uint16, range_of(like)) if ends_of(range_of(like))[1] > 255 else (torch.uint8, (0.0, 255.0))
    return (torch.uint16, (0.0, 65535.0)) if deep else (torch.uint8, (0.0, 255.0))
