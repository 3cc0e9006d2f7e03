"""Noise of developed photos: signal-dependent and correlated between pixels.

White noise is a poor model: a sensor counts photons behind a color filter array, and demosaicing, white balance,
smoothing, sharpening and the tone curve follow. The levels are those of Brooks et al. 2019 (Unprocessing).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.corruptions.base import Corruption, Range, check_images, noise_of, per_item, span, to_bytes
from isthmus.corruptions.noise import random_peak
from isthmus.registry import register
from isthmus.types import Context, Sample

GAMMA = 2.2  # approximates the tone curve of a developed photo
GAINS = (1.0, 2.4)  # white balance gains of red and blue relative to green
# Kernels of bilinear demosaicing: red and blue are sparse, green is dense.
SPARSE, DENSE = [[1, 2, 1], [2, 4, 2], [1, 2, 1]], [[0, 1, 0], [1, 4, 1], [0, 1, 0]]
DEMOSAIC = torch.tensor([SPARSE, DENSE, SPARSE]).float()[:, None] / 4
WHITE, SMOOTH, SHARP = 0.2, 0.6, -0.12  # share of items with uncorrelated noise; largest and least neighbor weight


@register
class CameraNoise(Corruption):
    """x + sensor noise of a developed photo, clipped and rounded to 8 bits; gray items (equal channels) stay gray.

    In linear light, on a Bayer mosaic of random phase: variance x/peak + read², amplified by white balance, demosaiced,
    smoothed or sharpened, with weaker chroma, then the tone curve. The noise of a fifth of the items is uncorrelated.
    peak: photoelectrons of a white pixel, a number, or (low, high), log-uniform; it determines the read noise.
    """

    def __init__(self, peak: Range = (30, 5000)) -> None:
        super().__init__()
        self.peak = span("peak", peak, least=1)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = check_images(sample.x, "camera noise"), noise_of(ctx)
        height, width = x.shape[2:]
        peak = random_peak(self.peak, noise)
        u, spread = noise.uniform(7, 1, 1, 1).unbind(1), noise.normal(1, 1, 1)
        read = (2.18 * -per_item(peak, x).log() + 1.2 + 0.26 * spread).exp()  # a variance
        random = noise.normal(3, height, width)
        gray = (x == x[:, :1]).flatten(1).all(1).view(-1, 1, 1, 1)
        low, high = GAINS
        red, blue = (low + (high - low) * share for share in u[:2])
        gains = torch.where(gray, 1.0, torch.cat([red, torch.ones_like(red), blue], 1))
        light = x.clamp(0, 1).expand(-1, 3, -1, -1) ** GAMMA
        grain = random * (light * gains / per_item(peak, x) + gains**2 * read).sqrt()
        grain = torch.where(gray, grain[:, 1:2], grain)
        grain = torch.where((u[2] < WHITE) | gray, grain, demosaiced(grain, u[3], u[4]))
        grain = torch.where(u[2] < WHITE, grain, filtered(grain, SHARP + (SMOOTH - SHARP) * u[5]))
        luma = grain.mean(1, keepdim=True)
        grain = luma + (0.4 + 0.6 * u[6]) * (grain - luma)
        damaged = to_bytes((light + grain).clamp(0, 1) ** (1 / GAMMA))[:, : x.shape[1]]
        return sample.replace(x=damaged, condition={**sample.condition, "peak": peak})


def demosaiced(grain: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """N×3×H×W sampled by a Bayer mosaic and interpolated; down, right: N×1×1×1 in [0, 1), below 0.5 for a mosaic that
    starts with the other row or column."""
    rows, columns = (torch.arange(side, device=grain.device) for side in grain.shape[2:])
    odd_row = (rows.view(-1, 1) + (down < 0.5)) % 2 == 1
    odd_column = (columns + (right < 0.5)) % 2 == 1
    seen = torch.cat([~odd_row & ~odd_column, odd_row ^ odd_column, odd_row & odd_column], 1)
    return F.conv2d(bordered(grain * seen), DEMOSAIC.to(grain), groups=3)


def filtered(grain: Tensor, weight: Tensor) -> Tensor:
    """Each pixel with `weight` (N×1×1×1) times each of its four neighbors: smoother above 0, sharper below."""
    wide = bordered(grain)
    rows = grain + weight * (wide[:, :, :-2, 1:-1] + wide[:, :, 2:, 1:-1])
    wide = bordered(rows)
    return (rows + weight * (wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:])) / (1 + 2 * weight)


def bordered(grain: Tensor) -> Tensor:
    """Padded by one pixel, reflected without the edge, so that the pixel has the same color filter."""
    return F.pad(grain, (1, 1, 1, 1), mode="reflect" if min(grain.shape[2:]) > 1 else "replicate")
