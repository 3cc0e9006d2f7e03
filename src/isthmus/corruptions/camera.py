"""The noise of developed photos: it depends on the signal, and is correlated from pixel to pixel.

White noise is a poor model of it: a sensor counts photons behind a mosaic of color filters, and demosaicing, white
balance, smoothing, sharpening and the tone curve come after. The levels follow Brooks et al. 2019 (Unprocessing).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.corruptions.base import Corruption, Range, an_item, drawn, pictures, span, to_bytes
from isthmus.corruptions.noise import peak_of
from isthmus.registry import register
from isthmus.types import Context, Sample

GAMMA = 2.2  # the tone curve of a developed photo, nearly
GAINS = (1.0, 2.4)  # of red and blue by the white balance, beside green
# What bilinear demosaicing makes of one sample of red, green or blue.
SPARSE, DENSE = [[1, 2, 1], [2, 4, 2], [1, 2, 1]], [[0, 1, 0], [1, 4, 1], [0, 1, 0]]
DEMOSAIC = torch.tensor([SPARSE, DENSE, SPARSE]).float()[:, None] / 4
WHITE, SMOOTH, SHARP = 0.2, 0.6, -0.12  # share of items that are not correlated; weight of the neighbors, from and to


@register
class CameraNoise(Corruption):
    """x + sensor noise as it looks in a developed photo, clipped, in 8 bits; gray items (equal channels) stay gray.

    In linear light, on a Bayer mosaic that begins anywhere: variance x/peak + read², amplified by white balance,
    demosaiced, smoothed or sharpened, chroma weakened, then the tone curve. A fifth of the items is not correlated.
    peak: photoelectrons of a white pixel, one number, or (low, high) drawn in its log; the read noise follows from it.
    """

    def __init__(self, peak: Range = (30, 5000)) -> None:
        super().__init__()
        self.peak = span("peak", peak, least=1)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = pictures(sample.x, "camera noise"), drawn(ctx)
        height, width = x.shape[2:]
        peak = peak_of(self.peak, noise)
        u, spread = noise.uniform(7, 1, 1, 1).unbind(1), noise.normal(1, 1, 1)
        read = (2.18 * -an_item(peak, x).log() + 1.2 + 0.26 * spread).exp()  # a variance
        random = noise.normal(3, height, width)
        gray = (x == x[:, :1]).flatten(1).all(1).view(-1, 1, 1, 1)
        low, high = GAINS
        red, blue = (low + (high - low) * share for share in u[:2])
        gains = torch.where(gray, 1.0, torch.cat([red, torch.ones_like(red), blue], 1))
        light = x.clamp(0, 1).expand(-1, 3, -1, -1) ** GAMMA
        grain = random * (light * gains / an_item(peak, x) + gains**2 * read).sqrt()
        grain = torch.where(gray, grain[:, 1:2], grain)
        grain = torch.where((u[2] < WHITE) | gray, grain, demosaiced(grain, u[3], u[4]))
        grain = torch.where(u[2] < WHITE, grain, filtered(grain, SHARP + (SMOOTH - SHARP) * u[5]))
        luma = grain.mean(1, keepdim=True)
        grain = luma + (0.4 + 0.6 * u[6]) * (grain - luma)
        damaged = to_bytes((light + grain).clamp(0, 1) ** (1 / GAMMA))[:, : x.shape[1]]
        return sample.replace(x=damaged, condition={**sample.condition, "peak": peak})


def demosaiced(grain: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """N×3×H×W of which each pixel is seen by one filter only, the rest interpolated; down, right: N×1×1×1 in [0, 1),
    whether the mosaic begins with the other row or column."""
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
    """One more pixel at each edge: the one inside of the edge, which has the same color filter."""
    return F.pad(grain, (1, 1, 1, 1), mode="reflect" if min(grain.shape[2:]) > 1 else "replicate")
