"""Synthetic defects, made from the image itself, for data without anomalous images."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.corruptions.base import Corruption, Range, check_images, noise_of, per_item, span, within
from isthmus.registry import register
from isthmus.types import Context, Noise, Sample

CLEAN = 0.2  # share of images without a defect
SEEN = 0.005  # smaller changes are not in the mask
SIZES = (0.015, 0.4)  # half axes, as shares of the image size
FINEST = 6  # noise is interpolated from grids of 2×2 to 2⁶×2⁶


@register
class SyntheticDefect(Corruption):
    """x̃ = x + a · (pasted − x) inside a random outline; outside it is x to the bit.

    The outline is a spot or scratch (ellipses, round or long, and bent), thresholded noise (Zavrtanik et al. 2021), or
    a half plane. Pasted are other pixels of the image, mirrored (Li et al. 2021), the same pixels in another tone, or
    one even tone. a is drawn per item from `opacity`; condition["mask"], N×1×H×W, is a where x changed. With `tell` the
    mask is also the last channel of the target, N×(C+1)×H×W, for a network that predicts it.
    """

    def __init__(self, opacity: Range = (0.2, 1.0), tell: bool = False) -> None:
        super().__init__()
        self.opacity, self.tell = span("opacity", opacity, most=1), tell

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = check_images(sample.x, "the corruption blemish"), noise_of(ctx)
        opacity = within(self.opacity, noise.uniform()) * (noise.uniform() >= CLEAN)
        a = outlines(x, noise) * per_item(opacity.to(x.dtype), x)
        y = torch.where(a > 0, torch.lerp(x, pasted_pixels(x, noise), a), x)
        change = F.avg_pool2d((y - x).abs().amax(1, keepdim=True), 9, 1, 4)
        mask = torch.where(change > SEEN, a, 0.0)
        target = torch.cat([sample.target, mask], 1) if self.tell else sample.target
        return sample.replace(x=y, target=target, condition={**sample.condition, "mask": mask})


def outlines(x: Tensor, noise: Noise) -> Tensor:
    """N×1×H×W in [0, 1], one outline per item, which covers at most half of the image."""
    height, width = x.shape[-2:]
    down = torch.linspace(0, 1, height, device=x.device).view(1, 1, -1, 1) - per_item(noise.uniform(), x)
    right = torch.linspace(0, 1, width, device=x.device).view(1, 1, 1, -1) - per_item(noise.uniform(), x)
    angle = per_item(noise.uniform(), x) * math.pi
    along, across = right * angle.cos() + down * angle.sin(), down * angle.cos() - right * angle.sin()
    across = across - 1.5 * per_item(noise.normal(), x) * along.square()  # bends a scratch
    size = per_item(torch.exp(within((math.log(SIZES[0]), math.log(SIZES[1])), noise.uniform())), x)
    slim = size * per_item(torch.exp(within((math.log(0.05), 0.0), noise.uniform())), x)
    spot = 1 - ellipse(along, across, size, slim.clamp(min=1 / min(height, width)))
    wide, far = size.clamp(min=0.15), 0.5 + per_item(noise.uniform(), x)
    patch = torch.minimum(clouds(x, noise) - 0.5, far - ellipse(along, across, wide, wide))
    kind = per_item((noise.uniform() * 5).long(), x)
    height_over_edge = torch.where(kind < 2, spot, torch.where(kind < 4, patch, 8 * across))
    sharp = per_item(torch.exp(within((math.log(2.0), math.log(200.0)), noise.uniform())), x)
    outline = (0.5 + height_over_edge * sharp).clamp(0, 1)
    return torch.where(outline.mean((1, 2, 3), keepdim=True) > 0.5, 1 - outline, outline)


def ellipse(along: Tensor, across: Tensor, size: Tensor, slim: Tensor) -> Tensor:
    """The distance from the center of an ellipse, 1 at its edge."""
    return ((along / size).square() + (across / slim).square()).sqrt()


def clouds(x: Tensor, noise: Noise) -> Tensor:
    """N×1×H×W of interpolated normal noise, of a random scale per item."""
    power = per_item((noise.uniform() * FINEST).long() + 1, x)
    field = torch.zeros_like(x[:, :1])
    for fine in range(1, FINEST + 1):
        values = noise.normal(1, 2**fine, 2**fine)
        field = torch.where(power == fine, F.interpolate(values, size=x.shape[-2:], mode="bilinear"), field)
    return field


def pasted_pixels(x: Tensor, noise: Noise) -> Tensor:
    """N×C×H×W: the image shifted and perhaps mirrored; the image in another tone; or one even tone."""
    kind, mirror = per_item((noise.uniform() * 3).long(), x), (noise.uniform() * 4).long().tolist()
    shifts = (noise.uniform(2) * torch.tensor(x.shape[-2:], device=x.device)).long().tolist()
    axes = ((), (1,), (2,), (1, 2))
    elsewhere = torch.stack(
        [one.flip(axes[how]).roll(tuple(shift), (1, 2)) for one, how, shift in zip(x, mirror, shifts, strict=True)]
    )
    mean = x.mean((1, 2, 3), keepdim=True)
    toned = mean + (x - mean) * per_item(torch.exp(0.5 * noise.normal()), x) + 0.15 * per_item(noise.normal(), x)
    even = mean + 0.25 * per_item(noise.normal(), x)
    return torch.where(kind == 0, elsewhere, torch.where(kind == 1, toned, even)).clamp(0, 1)
