"""Noise: every number of x is wrong by a little, or some by much. None of it is clipped to [0, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.corruptions.base import (
    Corruption,
    Range,
    an_item,
    drawn,
    positions,
    seeds,
    span,
    to_bytes,
    within,
)
from isthmus.errors import BadInput
from isthmus.registry import register
from isthmus.types import Context, Noise, Sample


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
        return sample.replace(x=damaged, condition={**sample.condition, "sigma": sigma})


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
        return sample.replace(x=damaged, condition={**sample.condition, "sigma": sigma})


@register
class PoissonNoise(Corruption):
    """Photons counted: Poisson(peak · x) / peak. peak: photons of a white pixel; of (low, high), drawn in its log."""

    def __init__(self, peak: Range = (10, 500)) -> None:
        super().__init__()
        self.peak = span("peak", peak, least=0.01)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        noise = drawn(ctx)
        peak = peak_of(self.peak, noise)
        return sample.replace(x=counted(sample.x, peak, noise), condition={**sample.condition, "peak": peak})


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
        return sample.replace(x=damaged, condition={**sample.condition, "peak": peak, "sigma": sigma})


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
        return sample.replace(x=damaged, condition={**sample.condition, "rate": rate})


@register
class Clipped(Corruption):
    """Clipped to [0, 1] and rounded to 8 bits, as a file holds what noise has made: 'gaussian:0.1+clipped'."""

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        return sample.replace(x=to_bytes(sample.x))

    @staticmethod
    def read(text: str) -> None:
        raise BadInput(f"clipped:{text}: clipped alone is accepted, it has no strength")
