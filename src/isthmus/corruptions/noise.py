"""Noise: every number of x is wrong by a little, or some by much. None of it is clipped to [0, 1]."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from isthmus.contracts import Context, Noise, Sample
from isthmus.corruptions.base import (
    Corruption,
    Range,
    an_item,
    drawn,
    pictures,
    positions,
    seeds,
    span,
    uncompiled,
    within,
)
from isthmus.registry import register


@register
class GaussianNoise(Corruption):
    """x + σ ε. sigma: one number, or (low, high) to draw one an item (blind to the strength); 25/255 is common."""

    def __init__(self, sigma: Range = 0.3) -> None:
        super().__init__()
        self.low, self.high = span("sigma", sigma)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = sample.x, drawn(ctx)
        sigma = within((self.low, self.high), noise.uniform())
        damaged = x + an_item(sigma, x) * noise.normal(*x.shape[1:])
        return sample.but(x=damaged, condition={**sample.condition, "sigma": sigma})


@register
class Speckle(Corruption):
    """x + x σ ε: noise that grows with the light, as of radar and ultrasound. sigma: a number, or (low, high)."""

    def __init__(self, sigma: Range = 0.2) -> None:
        super().__init__()
        self.sigma = span("sigma", sigma)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = sample.x, drawn(ctx)
        sigma = within(self.sigma, noise.uniform())
        damaged = x + x * an_item(sigma, x) * noise.normal(*x.shape[1:])
        return sample.but(x=damaged, condition={**sample.condition, "sigma": sigma})


@register
class PoissonNoise(Corruption):
    """Photons counted: Poisson(peak · x) / peak. peak: photons of a white pixel; of (low, high), drawn in its log."""

    def __init__(self, peak: Range = (10, 500)) -> None:
        super().__init__()
        self.peak = span("peak", peak, least=0.01)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        noise = drawn(ctx)
        peak = peak_of(self.peak, noise)
        return sample.but(x=counted(sample.x, peak, noise), condition={**sample.condition, "peak": peak})


@register
class PoissonGaussian(Corruption):
    """Photons counted, and read out with an error: Poisson(peak · x) / peak + σ ε, as of X-rays and cameras."""

    def __init__(self, peak: Range = (20, 500), sigma: Range = (0.0, 0.05)) -> None:
        super().__init__()
        self.peak, self.sigma = span("peak", peak, least=0.01), span("sigma", sigma)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = sample.x, drawn(ctx)
        peak, sigma = peak_of(self.peak, noise), within(self.sigma, noise.uniform())
        damaged = counted(x, peak, noise) + an_item(sigma, x) * noise.normal(*x.shape[1:])
        return sample.but(x=damaged, condition={**sample.condition, "peak": peak, "sigma": sigma})


def peak_of(bounds: tuple[float, float], noise: Noise) -> Tensor:
    low, high = bounds
    return low * (high / low) ** noise.uniform()


def counted(x: Tensor, peak: Tensor, noise: Noise) -> Tensor:
    """Poisson(peak · x) / peak; what torch draws there follows from x too, so each item has its own generator."""
    peak = an_item(peak, x)
    photons = x.clamp(min=0) * peak
    for item, seed in zip(photons, seeds(noise), strict=True):
        item.copy_(torch.poisson(item, torch.Generator(x.device).manual_seed(seed)))
    return photons / peak


@register
class SaltAndPepper(Corruption):
    """A share `rate` of the positions becomes black or white, all channels together. rate: a number, or (low, high)."""

    def __init__(self, rate: Range = 0.2) -> None:
        super().__init__()
        self.rate = span("rate", rate, most=1)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = sample.x, drawn(ctx)
        u = noise.uniform(*positions(x))
        rate = within(self.rate, noise.uniform())
        wide = an_item(rate, x)
        damaged = torch.where(u < wide / 2, 0.0, torch.where(u < wide, 1.0, x))
        return sample.but(x=damaged, condition={**sample.condition, "rate": rate})


@register
class Jpeg(Corruption):
    """Written as JPEG by Pillow and read again, color at half the resolution. quality: 1 to 100, or (low, high)."""

    def __init__(self, quality: Range = (10, 95)) -> None:
        super().__init__()
        self.quality = span("quality", quality, 1, 100)

    @uncompiled
    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x = pictures(sample.x, "JPEG")
        quality = within(self.quality, drawn(ctx).uniform()).round()
        return sample.but(x=as_jpeg(x, quality.tolist()), condition={**sample.condition, "quality": quality})


@register
class CroppedJpeg(Corruption):
    """As Jpeg, but cut from a larger picture and of any origin: the 8×8 blocks begin anywhere, and color has the
    resolution of the picture in half of the items. quality: 1 to 100, or (low, high)."""

    def __init__(self, quality: Range = (10, 95)) -> None:
        super().__init__()
        self.quality = span("quality", quality, 1, 100)

    @uncompiled
    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = pictures(sample.x, "JPEG"), drawn(ctx)
        quality = within(self.quality, noise.uniform()).round()
        down, right, color = (8 * noise.uniform(3)).long().T.tolist()
        large, damaged = F.pad(x, (8, 0, 8, 0), mode="replicate"), torch.empty_like(x)
        for number, wanted in enumerate(quality.tolist()):
            cut = large[number : number + 1, :, down[number] :, right[number] :]
            coded = as_jpeg(cut, [wanted], subsampling=2 if color[number] % 2 else 0)
            damaged[number] = coded[0, :, -x.shape[2] :, -x.shape[3] :]
        return sample.but(x=damaged, condition={**sample.condition, "quality": quality})


def as_jpeg(x: Tensor, qualities: Sequence[float], subsampling: int = 2) -> Tensor:
    """N×C×H×W through JPEG of a quality each. subsampling: of the color, 0 for none, 2 for half of it (4:2:0)."""
    pixels = (x.clamp(0, 1) * 255).round().byte().movedim(1, -1).cpu().numpy()
    for item, quality in zip(pixels, qualities, strict=True):
        file, image = io.BytesIO(), Image.fromarray(item.squeeze(-1) if x.shape[1] == 1 else item)
        image.save(file, "JPEG", quality=int(quality), subsampling=subsampling)
        item[...] = np.asarray(Image.open(file)).reshape(item.shape)
    return (torch.from_numpy(pixels).movedim(-1, 1).to(x.device, x.dtype) / 255).contiguous()
