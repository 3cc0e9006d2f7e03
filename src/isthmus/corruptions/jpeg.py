"""What JPEG does to pictures, computed for a whole batch at once: all that is lost is lost before the bits are packed.

As libjpeg does it with its defaults: BT.601 in whole numbers, color averaged over 2×2 pixels and enlarged with a
triangle, the quantization tables of the standard's annex K scaled to the quality (ITU-T T.81, 1992).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.corruptions.base import Corruption, Range, drawn, pictures, span, to_bytes, within
from isthmus.media.jpeg_tables import CHROMA, LUMA, table
from isthmus.registry import register
from isthmus.types import Context, Sample

TO_YCC = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))


@register
class Jpeg(Corruption):
    """Saved as JPEG and read again, color at half the resolution. quality: 1 to 100, or (low, high)."""

    def __init__(self, quality: Range = (10, 95)) -> None:
        super().__init__()
        self.quality = span("quality", quality, 1, 100)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x = pictures(sample.x, "JPEG")
        quality = within(self.quality, drawn(ctx).uniform()).round()
        return sample.replace(x=as_jpeg(x, quality), condition={**sample.condition, "quality": quality})


@register
class CroppedJpeg(Corruption):
    """As Jpeg, but cut from a larger picture and of any origin: the 8×8 blocks begin anywhere, and color has the
    resolution of the picture in half of the items. quality: 1 to 100, or (low, high)."""

    def __init__(self, quality: Range = (10, 95)) -> None:
        super().__init__()
        self.quality = span("quality", quality, 1, 100)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = pictures(sample.x, "JPEG"), drawn(ctx)
        quality = within(self.quality, noise.uniform()).round()
        down, right, color = noise.uniform(3).unbind(1)
        damaged = cropped_jpeg(x, quality, (8 * down).long(), (8 * right).long(), color < 0.5)
        return sample.replace(x=damaged, condition={**sample.condition, "quality": quality})


def cropped_jpeg(x: Tensor, quality: Tensor, down: Tensor, right: Tensor, fine: Tensor) -> Tensor:
    """N×C×H×W through JPEG with so many rows and columns (0 to 7, an item) of the edge repeated before the first, which
    are cut off again. fine: N, whether color keeps its resolution."""
    rows, columns = (
        torch.arange(side + 8, device=x.device).sub(more[:, None]).clamp(0, side - 1)
        for side, more in zip(x.shape[2:], (down, right), strict=True)
    )
    coded = as_jpeg(picked(x, rows, columns), quality, fine)
    rows, columns = (
        torch.arange(side, device=x.device) + more[:, None]
        for side, more in zip(x.shape[2:], (down, right), strict=True)
    )
    return picked(coded, rows, columns)


def picked(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """x[n, :, rows[n]][..., columns[n]] for rows N×h and columns N×w."""
    items = torch.arange(len(x), device=x.device)[:, None, None]
    return x.movedim(1, -1)[items, rows[:, :, None], columns[:, None]].movedim(-1, 1).contiguous()


def as_jpeg(x: Tensor, quality: Tensor, fine: Tensor | None = None) -> Tensor:
    """N×C×H×W in [0, 1], C 1 or 3, as JPEG of a quality (N) gives it back. fine: N, whether color keeps its resolution;
    by default none does."""
    height, width = x.shape[2:]
    if not len(x):  # of several corruptions to choose from, no item may have met this one
        return x
    pixels = 255 * to_bytes(x).float()
    # Up to whole blocks the last column and row are repeated; rows of color only after it has been averaged.
    pixels = F.pad(pixels, (0, -width % 16, 0, height % 2), mode="replicate")
    luma, chroma = (coarseness(base, quality) for base in (LUMA, CHROMA))
    if x.shape[1] == 1:
        return (quantized(to_blocks(pixels), luma)[..., :height, :width] / 255).to(x.dtype)
    ycc = torch.einsum("cd,ndhw->nchw", pixels.new_tensor(TO_YCC), pixels)
    ycc = whole(torch.cat([ycc[:, :1], ycc[:, 1:] + 128], 1))
    y, color = quantized(to_blocks(ycc[:, :1]), luma), ycc[:, 1:]
    sums, odd = 4 * F.avg_pool2d(color, 2), torch.arange(color.shape[-1] // 2, device=x.device) % 2
    small = quantized(to_blocks(((sums + 1 + odd) / 4).floor()), chroma)
    # Beyond what is seen nothing is looked at: the enlarging repeats the last row and column that belong to it.
    small = small[..., : -(-height // 2), : -(-width // 2)]
    coarse = F.pad(enlarged(small), (0, y.shape[-1] - 2 * small.shape[-1], 0, y.shape[-2] - 2 * small.shape[-2]))
    if fine is not None:
        coarse = torch.where(fine.view(-1, 1, 1, 1), quantized(to_blocks(color), chroma), coarse)
    ycc = torch.cat([y, coarse], 1)[..., :height, :width]
    ycc = torch.cat([ycc[:, :1], ycc[:, 1:] - 128], 1)
    rgb = torch.einsum("cd,ndhw->nchw", ycc.new_tensor(TO_RGB), ycc)
    return (whole(rgb).clamp(0, 255) / 255).to(x.dtype)


def coarseness(base: np.ndarray, quality: Tensor) -> Tensor:
    """N×1×64: the step of each frequency of a block at a quality (N), as data.jpeg has it for one."""
    every = torch.from_numpy(np.stack([table(one, base).ravel() for one in range(1, 101)])).float()
    return every.to(quality.device)[quality.long() - 1][:, None]


@lru_cache(maxsize=1)
def cosines() -> Tensor:
    """64×64: the frequencies of a block of 8×8 from its pixels, row by row."""
    run = torch.arange(8, dtype=torch.float64)
    one = torch.cos(math.pi / 16 * run[:, None] * (2 * run + 1)) / 2
    one[0] /= math.sqrt(2)
    return torch.kron(one, one).float()


def quantized(plane: Tensor, steps: Tensor) -> Tensor:
    """N×C×H×W of 0 to 255, H and W multiples of 8, with each frequency of a block rounded to multiples of its step."""
    count, channels, height, width = plane.shape
    blocks = plane.sub(128).view(count, channels * height // 8, 8, width // 8, 8).transpose(2, 3)
    blocks, to = blocks.reshape(count, -1, 64), cosines().to(plane)
    eighths = (8 * (blocks @ to.T)).round()  # as precise as libjpeg is; halves are rounded away from 0
    rounded = eighths.sign() * ((eighths.abs() + 4 * steps) / (8 * steps)).floor() * steps
    blocks = (rounded @ to).view(count, channels * height // 8, width // 8, 8, 8).transpose(2, 3)
    return whole(blocks.reshape(plane.shape).add(128)).clamp(0, 255)


def whole(x: Tensor) -> Tensor:
    """The nearest whole number, of two the higher one, as flat blocks often need it."""
    return (x + 0.5 + 1e-4).floor()


def to_blocks(plane: Tensor) -> Tensor:
    """N×C×H×W with the last row repeated until 8 divides the height."""
    return F.pad(plane, (0, 0, 0, -plane.shape[-2] % 8), mode="replicate")


def enlarged(small: Tensor) -> Tensor:
    """N×C×h×w -> N×C×2h×2w in whole numbers: each pixel 3/4 of the nearest row and column, 1/4 of the next."""
    wide = F.pad(small, (1, 1, 1, 1), mode="replicate")
    near, above, below = wide[..., 1:-1, :], wide[..., :-2, :], wide[..., 2:, :]
    rows = torch.stack([3 * near + above, 3 * near + below], -2).flatten(-3, -2)
    near, left, right = rows[..., 1:-1], rows[..., :-2], rows[..., 2:]
    return torch.stack([(3 * near + left + 8) / 16, (3 * near + right + 7) / 16], -1).floor().flatten(-2)
