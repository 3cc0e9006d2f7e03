"""One picture through a net, as an array: what every source of pictures calls, and a film frame by frame."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.bicubic import enlarge
from isthmus.errors import BadInput
from isthmus.inference.marks import AROUND, SURE, marks_in
from isthmus.inference.tiles import TILE, grid, tiled
from isthmus.layers import mirror_to
from isthmus.media.bit_depth import full_range
from isthmus.training.progress import Progress

LARGE = 2**30  # bytes from which on a result lies in a temporary file, which the system may write out
# Y, Cb and Cr of R, G and B (BT.601, the whole range, as JPEG has them).
YCC = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
RGB = torch.linalg.inv(YCC)
Net = Callable[..., Tensor]


def restored(
    model: Any,
    pixels: np.ndarray,
    *,
    hole: np.ndarray | None = None,
    strength: float = 1.0,
    best: bool = False,
    sure: float = SURE,
    range: tuple[float, float] | None = None,
    tile: int = TILE,
) -> tuple[np.ndarray, np.ndarray | None]:
    """What a model makes of H×W×C (C of 1 or 3), in the same type.

    range: the numbers that are 0 and 1 to the model; by default 0 and all that the type holds, for floats 0..1.

    hole: H×W bool, handed to the model as mask; outside of it the pixels come back to the bit. strength: of the change,
    1 for all of it. best: the mean over the eight ways to turn and mirror the picture, in eight times the time. sure:
    how likely a model that finds a mask has to be right about it; see marks_in.

    Returns the result, scale·H × scale·W × C, and where it was changed, H×W bool: the hole, or the mask that the model
    found, whose outside comes back to the bit too; None where that is everywhere. A gray picture stays gray; a gray
    model does the channels of a colour picture one by one, or enlarges its luma alone. Raises BadInput for a picture
    that the model does not take.
    """
    height, width, channels = pixels.shape
    scale, range = int(model.scale), range or full_range(pixels.dtype)
    limits = limits_of(pixels, range)
    result = allocate((height * scale, width * scale, channels), pixels.dtype)
    odds: np.ndarray | None = None
    net = through(model, channels, best, agree=sure > 0)

    def once(x: Tensor, *mask: Tensor) -> Tensor:
        if mask and not mask[0].any():
            return x
        place = device_of(model)
        given = x.to(place)
        y = net(given, *(side.to(place) for side in mask))
        if strength != 1:
            y = torch.cat([given + strength * (y[:, :channels] - given), y[:, channels:]], 1)
        return y

    def write(part: np.ndarray, top: int, left: int) -> None:
        nonlocal odds
        rows, columns = slice(top, top + part.shape[1]), slice(left, left + part.shape[2])
        if len(part) > channels:
            odds = np.zeros((height, width), np.float16) if odds is None else odds
            odds[rows, columns] = part[-1]
        result[rows, columns] = in_type(np.moveaxis(part[:channels], 0, -1), pixels.dtype, range, limits)

    sides = [] if hole is None else [hole[None]]
    reach = None if model.reach is None else max(2, model.reach)  # two are what the cubic of the colours sees
    rows, columns = grid(height, width, tile, reach)
    count = len(rows) * len(columns)
    with torch.no_grad(), Progress(count, quiet=count == 1) as bar:
        tiled(
            once,
            np.moveaxis(pixels, -1, 0),
            *sides,
            write=write,
            reach=reach,
            stride=model.stride,
            scale=scale,
            tile=tile,
            each=lambda done: bar.step(done, lambda: f"tile {done}/{count}"),
            range=range,
        )
    changed = hole.copy() if hole is not None else None if odds is None else marks_in(odds, sure)
    if changed is not None:
        np.copyto(result, pixels, where=~changed[..., None])
    return result, changed


def through(model: Any, channels: int, best: bool, agree: bool = True) -> Net:
    """N×C×h×w, and a mask N×1×h×w if there is one -> N×C×..., or one more: the mask that the model found."""

    def net(x: Tensor, mask: Tensor | None = None) -> Tensor:
        return model.restore(x) if mask is None else model.restore(x, mask=mask)

    one = eightfold(net) if best else agreeing(net, model.stride) if agree else net
    takes = int(model.shape[0])
    if len(model.shape) != 3 or takes not in (1, 3):
        raise BadInput(f"this model takes items of {'×'.join(map(str, model.shape))}, and no gray or colour picture")
    if takes == channels:
        return one
    if channels == 1:
        return lambda x, *mask: gray_of(one(x.expand(-1, 3, -1, -1), *mask))
    return luma_alone(one, model.scale) if model.scale > 1 else lambda x, *mask: one_by_one(one, x, *mask)


def gray_of(y: Tensor) -> Tensor:
    return torch.cat([torch.tensordot(YCC[0].to(y), y[:, :3], ([0], [1]))[:, None], y[:, 3:]], 1)


def one_by_one(net: Net, x: Tensor, *mask: Tensor) -> Tensor:
    """Each channel by itself, which takes no more memory than one; a mask is found where any channel finds it."""
    found = [net(channel, *mask) for channel in x.split(1, 1)]
    masks = [part[:, 1:] for part in found if part.shape[1] > 1]
    return torch.cat([part[:, :1] for part in found] + ([torch.stack(masks).amax(0)] if masks else []), 1)


def luma_alone(net: Net, scale: int) -> Net:
    """The luma by the net, the two differences of colour, which the eye sees less sharply, by a cubic."""

    def enlarged(x: Tensor) -> Tensor:
        parts = torch.einsum("ij,njhw->nihw", YCC.to(x), x)
        whole = torch.cat([net(parts[:, :1]), enlarge(parts[:, 1:], scale)], 1)
        return torch.einsum("ij,njhw->nihw", RGB.to(x), whole)

    return enlarged


def eightfold(net: Net) -> Net:
    """The mean of what the net makes of all eight ways to turn and mirror a picture (Timofte et al. 2016)."""

    def mean(x: Tensor, *sides: Tensor) -> Tensor:
        total: Any = 0.0
        for turns in range(4):
            for mirrored in (False, True):
                seen = (turned(side.flip(-1) if mirrored else side, turns) for side in (x, *sides))
                y = turned(net(*seen), -turns)
                total = total + (y.flip(-1) if mirrored else y)
        return total / 8

    return mean


def agreeing(net: Net, stride: int) -> Net:
    """Of a net that tells a mask: the least likely of four views counts, upright, mirrored, overturned and both.

    A net that learned from pictures turned at random finds a mark in each view, and seldom the same thing by mistake.
    """

    def least(x: Tensor, *sides: Tensor) -> Tensor:
        y, (height, width) = net(x, *sides), x.shape[-2:]
        if y.shape[1] == x.shape[1] or not (y[:, -1:] > AROUND).any():
            return y
        x = mirror_to(x, stride)  # as the net does, and so all views lie on one grid
        views = [net(x.flip(axes)).flip(axes)[:, -1:, :height, :width] for axes in ((3,), (2,), (2, 3))]
        return torch.cat([y[:, :-1], torch.cat([y[:, -1:], *views], 1).amin(1, keepdim=True)], 1)

    return least


def turned(x: Tensor, turns: int) -> Tensor:
    return torch.rot90(x, turns, (-2, -1))


def device_of(model: Any) -> torch.device:
    return next((weight.device for weight in model.parameters()), torch.device("cpu"))


def in_type(
    values: np.ndarray, dtype: np.dtype, range: tuple[float, float], limits: tuple[float, float] | None = None
) -> np.ndarray:
    """Numbers in [0, 1] as `dtype`, 0 and 1 being `range`: whole ones rounded and cut to `limits` (that)."""
    low, high = range
    if low or (dtype.kind != "f" and dtype.itemsize > 2):  # float32 does not hold all whole numbers of 32 bits
        values = values.astype(np.float64)
    values = values * ((high - low) or 1) + low
    return values.astype(dtype) if dtype.kind == "f" else np.rint(np.clip(values, *(limits or range))).astype(dtype)


def limits_of(pixels: np.ndarray, range: tuple[float, float]) -> tuple[float, float]:
    """The range, and beyond it what the picture holds: whole numbers of a result are cut to that."""
    if pixels.dtype.kind == "f" or range == full_range(pixels.dtype):
        return range
    return min(range[0], float(pixels.min())), max(range[1], float(pixels.max()))


def allocate(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An empty array, in a temporary file where it is LARGE."""
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:  # gone with the array, which holds it open
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)  # or a full disk would end the process without a word
        return np.memmap(file, dtype, "w+", shape=shape)
