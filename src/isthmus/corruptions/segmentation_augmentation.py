"""The augmentation of segmentation: one geometric map of images and labels, and the intensity of images."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.corruptions.augment import geometric
from isthmus.corruptions.base import noise_of, per_item, within
from isthmus.errors import BadInput, at_least
from isthmus.registry import register
from isthmus.types import Context, Noise, Sample

FLIPS = ("both", "horizontal", "none")
STILL = 0.25  # share of items that are only flipped and rotated by quarters, so that some keep their sharpness
GRID = 3  # random displacements down and across, as in Ronneberger et al. 2015


@register
class SegmentationAugmentation(nn.Module):
    """Flip, rotate, scale and deform images and labels alike; change gain, gamma and offset of images (U-Net, 2015).

    All geometric changes are one map, so an image is interpolated once, bilinearly; labels and masks take the nearest
    pixel. Past the edge everything is mirrored. x is changed in intensity, a target only if it is x. Items other than
    images stay unchanged.

    strength: factor of scale, elastic and intensity. flips: both, horizontal or none. rotation: largest angle in
    degrees. scale: largest enlargement; its inverse is the smallest. elastic: standard deviation of a displacement of
    a 3×3 grid over the image, as a share of its shorter side; the paper's 10 of 512 pixels is .02. intensity: gain of
    1 ± this, offset of ± half of it, gamma of exp(± twice it). noise: largest standard deviation of added noise.
    outside: value of uint8 labels from past the edge, such as 255 for ignored pixels; None: mirrored labels.
    """

    def __init__(
        self,
        strength: float = 1.0,
        flips: str = "both",
        rotation: float = 180.0,
        scale: float = 1.3,
        elastic: float = 0.02,
        intensity: float = 0.15,
        noise: float = 0.0,
        outside: int | None = None,
    ) -> None:
        super().__init__()
        if flips not in FLIPS:
            raise BadInput(f"flips is {flips}: {', '.join(FLIPS)} are accepted")
        for name, value in (("strength", strength), ("rotation", rotation), ("elastic", elastic), ("noise", noise)):
            at_least(name, value, 0)
        at_least("scale", scale, 1)
        if not 0 <= strength * intensity < 1:
            raise BadInput(f"intensity is {intensity}: 0 up to 1, times the strength, is accepted")
        self.flips, self.rotation, self.noise, self.outside = flips, math.radians(rotation), noise, outside
        self.scale, self.elastic, self.intensity = strength * math.log(scale), strength * elastic, strength * intensity

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        if sample.x.dim() != 4:
            return sample
        noise = noise_of(ctx)
        return self.intensified(self.deformed(sample, noise), noise)

    def deformed(self, sample: Sample, noise: Noise) -> Sample:
        """The sample under one random map: flips, rotation, scale and displacements."""
        still, down, right, turn, size = noise.uniform(5).unbind(1)
        displacement = self.elastic * noise.normal(2, GRID, GRID)
        angle = self.rotation * (2 * turn - 1)
        quarter = math.pi / (2 if sample.x.shape[2] == sample.x.shape[3] else 1)
        moved = still >= STILL
        angle = torch.where(moved, angle, (angle / quarter).round() * quarter)
        factor = torch.where(moved, (self.scale * (1 - 2 * size)).exp(), 1.0)
        displacement = displacement * moved.view(-1, 1, 1, 1)
        flip_right = torch.where((right < 0.5) & (self.flips != "none"), -factor, factor)
        flip_down = torch.where((down < 0.5) & (self.flips == "both"), -factor, factor)
        # From an output pixel (y, x), relative to the center, to its source: flip, scale, then rotate.
        rows = torch.stack([angle.cos() * flip_down, angle.sin() * flip_right], 1)
        columns = torch.stack([-angle.sin() * flip_down, angle.cos() * flip_right], 1)
        sources: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}

        def sampled(x: Tensor, nearest: bool) -> Tensor:
            shape = tuple(x.shape[2:])
            if shape not in sources:
                sources[shape] = source_of(shape, rows, columns, displacement)
            return resample(x, sources[shape], self.outside if x.dtype == torch.uint8 else None, nearest)

        return geometric(sample, sampled)

    def intensified(self, sample: Sample, noise: Noise) -> Sample:
        """gain · x^gamma + offset, plus noise; values outside [0, 1] have a gamma of 1."""
        field, x = sample.fields.get("x"), sample.x
        if field is not None and field.kind != "image":
            return sample
        gain, gamma, offset = ((2 * noise.uniform(3) - 1) * self.intensity).unbind(1)
        if self.intensity:
            inside = x.clamp(0, 1)
            curved = inside.pow(per_item((2 * gamma).exp(), x)).add_(x).sub_(inside)
            x = curved.mul_(per_item(1 + gain, x)).add_(per_item(offset / 2, x))
        if self.noise:
            sigma = within((0, self.noise), noise.uniform())
            x = x + per_item(sigma, x) * noise.normal(*x.shape[1:])
        return sample.replace(x=x, target=x if sample.target is sample.x else sample.target)


def source_of(shape: tuple[int, ...], rows: Tensor, columns: Tensor, displacement: Tensor) -> tuple[Tensor, Tensor]:
    """(row, column) in the source of each output pixel, each N×H×W, in pixels from the upper left corner.

    rows, columns: N×2 factors of the output's (y, x) from the center. displacement: N×2×g×g, in shares of the shorter
    side, on a grid that is interpolated bicubically.
    """
    height, width = shape
    side = min(shape)
    y = (torch.arange(height, device=rows.device) + (0.5 - height / 2)).view(1, -1, 1)
    x = (torch.arange(width, device=rows.device) + (0.5 - width / 2)).view(1, 1, -1)
    source = F.interpolate(side * displacement, shape, mode="bicubic", align_corners=True)
    row, column = source.unbind(1)
    # Elementwise: a product of matrices differs in the last bit between batches of different size. In place: pages of
    # new memory take longer than the sums.
    for position, factors, middle in ((row, rows, height / 2), (column, columns, width / 2)):
        along, across = factors.view(-1, 2, 1, 1).unbind(1)
        position.add_(along * y + middle).add_(across * x)
    return row, column


def resample(x: Tensor, source: tuple[Tensor, Tensor], outside: int | None, nearest: bool) -> Tensor:
    """x at the source positions, mirrored past the edge; nearest: without interpolation, at any dtype.

    outside: value of pixels from past the edge if nearest; None: mirrored.
    """
    height, width = x.shape[2:]
    row, column = mirrored(source[0], height), mirrored(source[1], width)
    if not nearest:
        grid = torch.stack([column, row], -1).mul_(row.new_tensor([2 / width, 2 / height])).sub_(1)
        return F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    index = row.long().clamp_(max=height - 1) * width + column.long().clamp_(max=width - 1)
    values = x.flatten(2).gather(2, index.flatten(1)[:, None].expand(-1, x.shape[1], -1)).view_as(x)
    if outside is None:
        return values
    past = (source[0] < 0) | (source[0] >= height) | (source[1] < 0) | (source[1] >= width)
    return values.masked_fill(past[:, None], outside)


def mirrored(position: Tensor, size: int) -> Tensor:
    """Positions reflected at 0 and `size`, as often as it takes."""
    position = position.remainder(2 * size).sub_(size)
    return position.abs_().neg_().add_(size)
