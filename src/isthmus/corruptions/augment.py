"""Augmentations: random changes of all images, masks and label maps of a sample alike.

An augmentation is augment(sample, ctx) -> sample. A geometric transform changes x, the target and every other field of
C×H×W by one map, labels and masks at the nearest pixel; an intensity transform may change images only.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.corruptions.base import noise_of
from isthmus.errors import BadInput, at_least
from isthmus.fields import SPATIAL, Field
from isthmus.registry import register
from isthmus.types import Context, Sample


def geometric(sample: Sample, change: Callable[[Tensor, bool], Tensor]) -> Sample:
    """`change(tensor, nearest)` of every image, mask and label map N×C×H×W; other fields stay.

    nearest: whether values must not be interpolated.
    """

    def changed(tensor: Tensor, field: Field | None) -> Tensor:
        if tensor.dim() != 4 or (field is not None and field.kind not in SPATIAL):
            return tensor
        return change(tensor, field is not None and field.nearest)

    return sample.map(changed)


def warp(sample: Sample, maps: Tensor) -> Sample:
    """Every image, mask and label map, sampled at affine maps N×2×3 of coordinates in [-1, 1].

    Past the edge the nearest pixel is repeated. Labels and masks keep their dtype and their values.
    """

    def sampled(x: Tensor, nearest: bool) -> Tensor:
        grid = F.affine_grid(maps, list(x.shape), align_corners=False)
        if not nearest:
            return F.grid_sample(x, grid, padding_mode="border", align_corners=False)
        height, width = x.shape[2:]
        column, row = (((grid + 1) * grid.new_tensor([width, height]) - 1) / 2).round().long().unbind(-1)
        index = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
        return x.flatten(2).gather(2, index.flatten(1)[:, None].expand(-1, x.shape[1], -1)).view_as(x)

    return geometric(sample, sampled)


@register
class Affine(nn.Module):
    """Rotate, shear, scale and shift three items in four a little.

    At strength 1: ±7°, ±6 % of size, ±1/28 of the width. The last fifth of a training uses unchanged images, so that
    it ends on the data itself. Items other than images stay unchanged.
    """

    follows_progress = True

    def __init__(self, strength: float = 1.0) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        if ctx.progress >= 0.8 or sample.x.dim() != 4:
            return sample
        noise = noise_of(ctx)
        turn, shear, wide, high, right, down = (2 * noise.uniform(6) - 1).mul(self.strength).unbind(1)
        angle = 0.12 * turn
        rows = (
            torch.stack([angle.cos() * (1 + 0.06 * wide), 0.1 * shear - angle.sin(), right / 14], 1),
            torch.stack([angle.sin(), angle.cos() * (1 + 0.06 * high), down / 14], 1),
        )
        still = torch.eye(2, 3, device=sample.x.device)
        maps = torch.where(noise.uniform(1, 1) < 0.75, torch.stack(rows, 1), still)
        return warp(sample, maps)


@register
class Zoom(nn.Module):
    """Crop each item and enlarge the crop to the full size; mirror one in two.

    least: the least share of width and height that is kept; one item in five is not cropped. The last tenth of a
    training uses the images unchanged. Items other than images stay unchanged.
    """

    follows_progress = True

    def __init__(self, least: float = 0.6, mirror: bool = True) -> None:
        super().__init__()
        if not 0 < least <= 1:
            raise BadInput(f"zoom is {least}: a share over 0, and up to 1, is accepted")
        self.least, self.mirror = float(least), mirror

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        if ctx.progress >= 0.9 or sample.x.dim() != 4:
            return sample
        share, right, down, mirrored, still = noise_of(ctx).uniform(5).unbind(1)
        side = torch.where(still < 0.2, 1.0, self.least + (1 - self.least) * share)
        maps = torch.zeros(len(side), 2, 3, device=side.device)
        maps[:, 0, 0] = torch.where(mirrored < 0.5, -side, side) if self.mirror else side
        maps[:, 1, 1] = side
        maps[:, 0, 2], maps[:, 1, 2] = (1 - side) * (2 * right - 1), (1 - side) * (2 * down - 1)
        return warp(sample, maps)


@register
class Crop(nn.Module):
    """A random square of each item in one of its 8 orientations: N×C×H×W -> N×C×size×size.

    A target that is larger by an integer factor is cropped to the same area. Raises BadInput for items that are no
    images or smaller than the square.
    """

    def __init__(self, size: int = 64) -> None:
        super().__init__()
        at_least("crop", size, 1)
        self.size = int(size)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, size = sample.x, self.size
        if x.dim() != 4 or min(x.shape[2:]) < size:
            raise BadInput(f"items of {'×'.join(map(str, x.shape[1:]))}: a crop of {size} takes larger images")
        down, right, way = noise_of(ctx).uniform(3).unbind(1)
        top, left = (down * (x.shape[2] - size + 1)).long(), (right * (x.shape[3] - size + 1)).long()
        way = (way * 8).long()

        def cut(t: Tensor, nearest: bool) -> Tensor:
            factor = t.shape[-1] // x.shape[-1]
            return square(t, factor * top, factor * left, factor * size, way)

        return geometric(sample, cut)


@register
class Binarize(nn.Module):
    """Draw each value of x as 0 or 1, with the value as the probability of 1; the target is the same draw.

    The draws are new at every step, as in the dynamically binarized MNIST of Burda et al. (2016); validation and
    evaluate draw with fixed seeds. Values outside of [0, 1] count as the nearer end.
    """

    binarizes = True

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        drawn = (noise_of(ctx).uniform(*sample.x.shape[1:]) < sample.x).to(sample.x.dtype)
        return sample.replace(x=drawn, target=drawn)


def square(x: Tensor, top: Tensor, left: Tensor, size: int, way: Tensor) -> Tensor:
    """x[n, :, top[n]:top[n] + size, left[n]:left[n] + size], flipped and transposed by way[n] in 0..7: one gather."""
    flip_down, flip_right, swap = (((way >> bit) & 1).bool().view(-1, 1) for bit in range(3))
    run = torch.arange(size, device=x.device)
    rows = top[:, None] + torch.where(flip_down, size - 1 - run, run)
    columns = left[:, None] + torch.where(flip_right, size - 1 - run, run)
    width = x.shape[3]
    upright = rows[:, :, None] * width + columns[:, None, :]
    index = torch.where(swap[:, :, None], upright.mT, upright).flatten(1)
    return x.flatten(2).gather(2, index[:, None].expand(-1, x.shape[1], -1)).unflatten(2, (size, size))
