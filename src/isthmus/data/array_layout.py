"""Layout of an array: which axis counts the items, and which axes are rows, columns and channels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from isthmus.data.base import kind_of_item
from isthmus.errors import BadInput
from isthmus.fields import shape_of
from isthmus.media.array_axes import CHANNELS
from isthmus.types import Shape, times

SERIES = "accepted are series N×C×T"
ACCEPTED = "accepted are N×D, N×H×W, N×C×H×W and N×H×W×C (C of 1, 3 or 4)"


class Layout(NamedTuple):
    """The layout of the items of an array. single: one item, without a first axis. last: channels are the last axis."""

    shape: Shape
    single: bool = False
    last: bool = False

    def of(self, items: np.ndarray) -> np.ndarray:
        """N×... as stored, rearranged to N×shape."""
        return np.moveaxis(items, -1, 1) if self.last else items.reshape(len(items), *self.shape)


def layouts(shape: Shape, kind: str = "") -> list[Layout]:
    """The possible layouts of an array N×..., the likeliest first. kind: of the field, one of isthmus.fields.KINDS."""
    item = shape[1:]
    if kind == "series":
        return [Layout(item)] if len(item) == 2 else []
    if len(item) == 1:
        return [Layout(item)]
    if len(item) == 2:
        return [Layout((1, *item)), Layout(item)]
    if len(item) == 3:
        candidates = [Layout(item)]
        if item[2] in CHANNELS:
            last = Layout((item[2], item[0], item[1]), last=True)
            candidates.insert(1 if item[0] in CHANNELS else 0, last)
        return candidates
    return []


def image_layout(shape: Shape, axes: str) -> Layout:
    """The layout of images with these axes (isthmus.media.array_axes.image_axes)."""
    size = dict(zip(axes, shape, strict=True))
    return Layout((size.get("C", 1), size["H"], size["W"]), single="N" not in axes, last=axes.endswith("C"))


def note_of_one(shape: Shape, axes: str) -> str:
    """A note that an array is one image of several channels, or H×W; "" for several images and for C = 1."""
    if "N" in axes or 1 in (shape[0], shape[-1]):
        return ""
    planes = f"; {shape[0]} gray ones are accepted as {shape[0]}×1×H×W" if axes == "CHW" else ""
    return f"{times(shape)} is read as one picture {'×'.join(axes)}{planes}"


def choose_layout(shape: Shape, like: Mapping[str, Any] | None, name: str, kind: str = "") -> Layout:
    """The layout of an array of this shape, with `like` the one that fits the shape of that run.

    Raises BadInput naming both shapes if none fits.
    """
    candidates, accepted = layouts(shape, kind), SERIES if kind == "series" else ACCEPTED
    if 0 in shape:
        raise BadInput(f"{name}: holds no items (shape {times(shape)}); {accepted}")
    if like is None:
        if not candidates:
            raise BadInput(f"{name}: an array of {len(shape)} dimensions ({times(shape) or 'one number'}); {accepted}")
        return candidates[0]
    wanted = shape_of(like)
    candidates += [layout._replace(single=True) for layout in layouts((1, *shape))]
    for layout in candidates:
        if layout.shape == wanted:
            return layout
    for layout in candidates:
        pair = sorted((layout.shape, wanted), key=len)
        if (len(pair[0]), len(pair[1])) == (1, 3) and pair[1][0] == 1 and math.prod(pair[0]) == math.prod(pair[1]):
            return layout
    plain = layouts(shape)
    given = kind_of_item(plain[0].shape) if plain else f"an array of shape {times(shape) or 'one number'}"
    raise BadInput(f"{name}: {given}, but this run takes {times(wanted)}")
