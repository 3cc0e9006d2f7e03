"""Noise corruptions: Gaussian, Poisson, speckle, salt and pepper. Only Clipped clips the result to [0, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.corruptions.base import (
    Corruption,
    Range,
    noise_of,
    per_item,
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
    """x + σ ε. sigma: a number, or (low, high), uniform per item, for a model that is blind to σ; 25/255 is common."""

    def __init__(self, sigma: Range = 0.3) -> None:
        super().__init__()
        self.low, self.high = span("sigma", sigma)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = sample.x, noise_of(ctx)
        sigma = within((self.low, self.high), noise.uniform())
        damaged = x + per_item(sigma, x) * noise.normal(*x.shape[1:])
        return sample.replace(x=damaged, condition={**sample.condition, "sigma": sigma})


@register
class Speckle(Corruption):
    """x + x σ ε: multiplicative noise, as in radar and ultrasound images. sigma: a number, or (low, high)."""

    def __init__(self, sigma: Range = 0.2) -> None:
        super().__init__()
        self.sigma = span("sigma", sigma)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = sample.x, noise_of(ctx)
        sigma = within(self.sigma, noise.uniform())
        damaged = x + x * per_item(sigma, x) * noise.normal(*x.shape[1:])
        return sample.replace(x=damaged, condition={**sample.condition, "sigma": sigma})


@register
class PoissonNoise(Corruption):
    """Shot noise: Poisson(peak · x) / peak. peak: photons of a white pixel, a number, or (low, high), log-uniform."""

    def __init__(self, peak: Range = (10, 500)) -> None:
        super().__init__()
        self.peak = span("peak", peak, least=0.01)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        noise = noise_of(ctx)
        peak = random_peak(self.peak, noise)
        return sample.replace(x=poisson(sample.x, peak, noise), condition={**sample.condition, "peak": peak})


@register
class PoissonGaussian(Corruption):
    """Shot and read noise: Poisson(peak · x) / peak + σ ε, as in X-ray images and cameras."""

    def __init__(self, peak: Range = (20, 500), sigma: Range = (0.0, 0.05)) -> None:
        super().__init__()
        self.peak, self.sigma = span("peak", peak, least=0.01), span("sigma", sigma)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = sample.x, noise_of(ctx)
        peak, sigma = random_peak(self.peak, noise), within(self.sigma, noise.uniform())
        damaged = poisson(x, peak, noise) + per_item(sigma, x) * noise.normal(*x.shape[1:])
        return sample.replace(x=damaged, condition={**sample.condition, "peak": peak, "sigma": sigma})


def random_peak(bounds: tuple[float, float], noise: Noise) -> Tensor:
    low, high = bounds
    return low * (high / low) ** noise.uniform()


def poisson(x: Tensor, peak: Tensor, noise: Noise) -> Tensor:
    """Poisson(peak · x) / peak. The draws of torch.poisson depend on x, so each item has its own generator."""
    peak = per_item(peak, x)
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
        x, noise = sample.x, noise_of(ctx)
        u = noise.uniform(*positions(x))
        rate = within(self.rate, noise.uniform())
        wide = per_item(rate, x)
        damaged = torch.where(u < wide / 2, 0.0, torch.where(u < wide, 1.0, x))
        return sample.replace(x=damaged, condition={**sample.condition, "rate": rate})


@register
class Clipped(Corruption):
    """Clip to [0, 1] and round to 8 bits, as in a noisy image file: 'gaussian:0.1+clipped'."""

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        return sample.replace(x=to_bytes(sample.x))

    @staticmethod
    def read(text: str) -> None:
        raise BadInput(f"clipped:{text}: clipped takes no strength")
