"""Restoration of one image or video frame, given as an array, by a model."""

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
from isthmus.inference.mask_regions import MIN_PROBABILITY, REGION_PROBABILITY, watermark_regions
from isthmus.inference.tiles import TILE, apply_tiled, grid
from isthmus.layers import mirror_to
from isthmus.media.bit_depth import from_shares, full_range
from isthmus.media.color_spaces import LUMA
from isthmus.training.progress import Progress

LARGE_RESULT = 2**30  # bytes above which a result is mapped to a temporary file, so that the system can page it out
TO_YCC = torch.tensor([LUMA, (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312)])  # full range, as in JPEG
TO_RGB = torch.linalg.inv(TO_YCC)
Net = Callable[..., Tensor]


def restore_array(
    model: Any,
    pixels: np.ndarray,
    *,
    hole: np.ndarray | None = None,
    strength: float = 1.0,
    best: bool = False,
    sure: float = MIN_PROBABILITY,
    range: tuple[float, float] | None = None,
    tile: int = TILE,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Apply a model to an image H×W×C (C = 1 or 3) and return the result in the same dtype.

    hole: H×W bool, the mask of a model that takes one; pixels outside of it are unchanged to the bit. strength: share
    of the change, 1 for all of it. best: average over the eight rotations and reflections, eight times slower. sure:
    least probability of a watermark, for a model that predicts a mask; see watermark_regions. range: the pixel values
    that are 0 and 1 to the model; by default the range of the dtype, for floats 0..1.

    Returns the result, scale·H × scale·W × C, and the changed pixels, H×W bool: the hole, or the predicted mask,
    outside of which pixels are unchanged to the bit too; None if every pixel may have changed. A gray image stays
    gray; a gray model is applied to each channel of a color image, or, if it enlarges, to the luma only. Raises
    BadInput for an image that the model does not accept.
    """
    height, width, channels = pixels.shape
    scale, range = int(model.scale), range or full_range(pixels.dtype)
    limits = clip_limits(pixels, range)
    result = allocate((height * scale, width * scale, channels), pixels.dtype)
    probability: np.ndarray | None = None
    net = net_for_channels(model, channels, best, agree=sure > 0)

    def restore_tile(x: Tensor, *mask: Tensor) -> Tensor:
        if mask and not mask[0].any():
            return x
        device = device_of(model)
        moved = x.to(device)
        y = net(moved, *(side.to(device) for side in mask))
        if strength != 1:
            y = torch.cat([moved + strength * (y[:, :channels] - moved), y[:, channels:]], 1)
        return y

    def write(part: np.ndarray, top: int, left: int) -> None:
        nonlocal probability
        rows, columns = slice(top, top + part.shape[1]), slice(left, left + part.shape[2])
        if len(part) > channels:
            probability = np.zeros((height, width), np.float16) if probability is None else probability
            probability[rows, columns] = part[-1]
        result[rows, columns] = from_shares(np.moveaxis(part[:channels], 0, -1), pixels.dtype, range, limits)

    inputs = [] if hole is None else [hole[None]]
    reach = None if model.reach is None else max(2, model.reach)  # the cubic of the chroma reaches 2 pixels
    rows, columns = grid(height, width, tile, reach)
    count = len(rows) * len(columns)
    with torch.no_grad(), Progress(count, quiet=count == 1) as bar:
        apply_tiled(
            restore_tile,
            np.moveaxis(pixels, -1, 0),
            *inputs,
            write=write,
            reach=reach,
            stride=model.stride,
            scale=scale,
            tile=tile,
            each=lambda done: bar.step(done, lambda: f"tile {done}/{count}"),
            range=range,
        )
    changed = hole.copy() if hole is not None else None if probability is None else watermark_regions(probability, sure)
    if changed is not None:
        np.copyto(result, pixels, where=~changed[..., None])
    return result, changed


def net_for_channels(model: Any, channels: int, best: bool, agree: bool = True) -> Net:
    """The model as a function of N×C×h×w, and of a mask N×1×h×w if it takes one, that returns N×C×..., plus one channel
    if the model predicts a mask."""

    def net(x: Tensor, mask: Tensor | None = None) -> Tensor:
        return model.restore(x) if mask is None else model.restore(x, mask=mask)

    run_net = self_ensemble(net) if best else consensus_mask(net, model.stride) if agree else net
    takes = int(model.shape[0])
    if len(model.shape) != 3 or takes not in (1, 3):
        raise BadInput(f"this model accepts items of {'×'.join(map(str, model.shape))}, not gray or color images")
    if takes == channels:
        return run_net
    if channels == 1:
        return lambda x, *mask: luma_of(run_net(x.expand(-1, 3, -1, -1), *mask))
    return on_luma(run_net, model.scale) if model.scale > 1 else lambda x, *mask: per_channel(run_net, x, *mask)


def luma_of(y: Tensor) -> Tensor:
    return torch.cat([torch.tensordot(TO_YCC[0].to(y), y[:, :3], ([0], [1]))[:, None], y[:, 3:]], 1)


def per_channel(net: Net, x: Tensor, *mask: Tensor) -> Tensor:
    """Apply the net to one channel at a time, to save memory; predicted masks are joined by their maximum."""
    outputs = [net(channel, *mask) for channel in x.split(1, 1)]
    masks = [part[:, 1:] for part in outputs if part.shape[1] > 1]
    return torch.cat([part[:, :1] for part in outputs] + ([torch.stack(masks).amax(0)] if masks else []), 1)


def on_luma(net: Net, scale: int) -> Net:
    """Enlarge the luma by the net and the chroma, which the eye resolves less sharply, by a cubic."""

    def enlarged(x: Tensor) -> Tensor:
        parts = torch.einsum("ij,njhw->nihw", TO_YCC.to(x), x)
        planes = torch.cat([net(parts[:, :1]), enlarge(parts[:, 1:], scale)], 1)
        return torch.einsum("ij,njhw->nihw", TO_RGB.to(x), planes)

    return enlarged


def self_ensemble(net: Net) -> Net:
    """The mean output over the eight rotations and reflections of an image (Timofte et al. 2016)."""

    def mean(x: Tensor, *inputs: Tensor) -> Tensor:
        total: Any = 0.0
        for turns in range(4):
            for mirrored in (False, True):
                views = (rotated(side.flip(-1) if mirrored else side, turns) for side in (x, *inputs))
                y = rotated(net(*views), -turns)
                total = total + (y.flip(-1) if mirrored else y)
        return total / 8

    return mean


def consensus_mask(net: Net, stride: int) -> Net:
    """For a net that predicts a mask: the minimum of its probability over the four reflections of an image.

    A net trained on randomly reflected images finds a watermark in each view, but seldom repeats a false positive.
    """

    def least(x: Tensor, *inputs: Tensor) -> Tensor:
        y, (height, width) = net(x, *inputs), x.shape[-2:]
        if y.shape[1] == x.shape[1] or not (y[:, -1:] > REGION_PROBABILITY).any():
            return y
        x = mirror_to(x, stride)  # as the net does, so that all views lie on one grid
        views = [net(x.flip(axes)).flip(axes)[:, -1:, :height, :width] for axes in ((3,), (2,), (2, 3))]
        return torch.cat([y[:, :-1], torch.cat([y[:, -1:], *views], 1).amin(1, keepdim=True)], 1)

    return least


def rotated(x: Tensor, turns: int) -> Tensor:
    return torch.rot90(x, turns, (-2, -1))


def device_of(model: Any) -> torch.device:
    return next((weight.device for weight in model.parameters()), torch.device("cpu"))


def clip_limits(pixels: np.ndarray, range: tuple[float, float]) -> tuple[float, float]:
    """The limits to which an integer result is clipped: the range, widened to the values of the image."""
    if pixels.dtype.kind == "f" or range == full_range(pixels.dtype):
        return range
    return min(range[0], float(pixels.min())), max(range[1], float(pixels.max()))


def allocate(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An empty array, mapped to a temporary file if it is larger than LARGE_RESULT."""
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE_RESULT:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:  # removed when the array, which holds it open, is freed
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)  # else a full disk would kill the process without a message
        return np.memmap(file, dtype, "w+", shape=shape)


def resize_cubic(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize H×W×C by a bicubic filter, with antialiasing if reduced; the same dtype."""
    from PIL import Image

    if pixels.shape[:2] == size:
        return pixels
    result = allocate((*size, pixels.shape[-1]), pixels.dtype)
    for channel in range(pixels.shape[-1]):
        plane = np.ascontiguousarray(pixels[..., channel])
        image = Image.fromarray(plane if plane.dtype == np.uint8 else plane.astype(np.float32))
        match = np.asarray(image.resize(size[::-1], Image.Resampling.BICUBIC))
        if pixels.dtype.kind != "f" and match.dtype.kind == "f":
            match = np.rint(np.clip(match, np.iinfo(pixels.dtype).min, np.iinfo(pixels.dtype).max))
        result[..., channel] = match
    return result
