"""JPEG compression of a batch of tensors, without the lossless entropy coding.

Follows the defaults of libjpeg: BT.601 in integers, chroma averaged over 2×2 pixels and upsampled with a triangle
filter, the quantization tables of annex K scaled to the quality (ITU-T T.81, 1992).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.corruptions.base import Corruption, Range, check_images, noise_of, span, to_bytes, within
from isthmus.media.color_spaces import LUMA
from isthmus.media.jpeg_tables import CHROMA_TABLE, LUMA_TABLE, table
from isthmus.registry import register
from isthmus.types import Context, Sample

TO_YCC = (LUMA, (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))


@register
class Jpeg(Corruption):
    """JPEG compression with chroma at half the resolution. quality: 1 to 100, or (low, high)."""

    def __init__(self, quality: Range = (10, 95)) -> None:
        super().__init__()
        self.quality = span("quality", quality, 1, 100)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x = check_images(sample.x, "JPEG")
        quality = within(self.quality, noise_of(ctx).uniform()).round()
        return sample.replace(x=as_jpeg(x, quality), condition={**sample.condition, "quality": quality})


@register
class CroppedJpeg(Corruption):
    """As Jpeg, for images cropped after compression: the 8×8 grid has a random offset, and chroma has full resolution
    in half of the items. quality: 1 to 100, or (low, high)."""

    def __init__(self, quality: Range = (10, 95)) -> None:
        super().__init__()
        self.quality = span("quality", quality, 1, 100)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = check_images(sample.x, "JPEG"), noise_of(ctx)
        quality = within(self.quality, noise.uniform()).round()
        down, right, color = noise.uniform(3).unbind(1)
        damaged = cropped_jpeg(x, quality, (8 * down).long(), (8 * right).long(), color < 0.5)
        return sample.replace(x=damaged, condition={**sample.condition, "quality": quality})


def cropped_jpeg(x: Tensor, quality: Tensor, down: Tensor, right: Tensor, fine: Tensor) -> Tensor:
    """N×C×H×W through JPEG with `down` rows and `right` columns (0 to 7, per item) of edge padding before the first,
    cropped again afterwards. fine: N, whether chroma keeps its resolution."""
    rows, columns = (
        torch.arange(side + 8, device=x.device).sub(more[:, None]).clamp(0, side - 1)
        for side, more in zip(x.shape[2:], (down, right), strict=True)
    )
    coded = as_jpeg(gather_pixels(x, rows, columns), quality, fine)
    rows, columns = (
        torch.arange(side, device=x.device) + more[:, None]
        for side, more in zip(x.shape[2:], (down, right), strict=True)
    )
    return gather_pixels(coded, rows, columns)


def gather_pixels(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """x[n, :, rows[n]][..., columns[n]] for rows N×h and columns N×w."""
    items = torch.arange(len(x), device=x.device)[:, None, None]
    return x.movedim(1, -1)[items, rows[:, :, None], columns[:, None]].movedim(-1, 1).contiguous()


def as_jpeg(x: Tensor, quality: Tensor, fine: Tensor | None = None) -> Tensor:
    """N×C×H×W in [0, 1], C 1 or 3, compressed with a quality (N) and decoded. fine: N, whether chroma keeps its
    resolution; by default no item does."""
    height, width = x.shape[2:]
    if not len(x):  # in OneOf, possibly no item chose this corruption
        return x
    pixels = 255 * to_bytes(x).float()
    # Columns and rows are replicated up to full blocks; rows of chroma only after averaging.
    pixels = F.pad(pixels, (0, -width % 16, 0, height % 2), mode="replicate")
    luma, chroma = (quantization_steps(base, quality) for base in (LUMA_TABLE, CHROMA_TABLE))
    if x.shape[1] == 1:
        return (quantized(to_blocks(pixels), luma)[..., :height, :width] / 255).to(x.dtype)
    ycc = torch.einsum("cd,ndhw->nchw", pixels.new_tensor(TO_YCC), pixels)
    ycc = round_half_up(torch.cat([ycc[:, :1], ycc[:, 1:] + 128], 1))
    y, color = quantized(to_blocks(ycc[:, :1]), luma), ycc[:, 1:]
    sums, odd = 4 * F.avg_pool2d(color, 2), torch.arange(color.shape[-1] // 2, device=x.device) % 2
    small = quantized(to_blocks(((sums + 1 + odd) / 4).floor()), chroma)
    # Upsampling must not read the padding: it replicates the last row and column of the image.
    small = small[..., : -(-height // 2), : -(-width // 2)]
    coarse = F.pad(upsample_chroma(small), (0, y.shape[-1] - 2 * small.shape[-1], 0, y.shape[-2] - 2 * small.shape[-2]))
    if fine is not None:
        coarse = torch.where(fine.view(-1, 1, 1, 1), quantized(to_blocks(color), chroma), coarse)
    ycc = torch.cat([y, coarse], 1)[..., :height, :width]
    ycc = torch.cat([ycc[:, :1], ycc[:, 1:] - 128], 1)
    rgb = torch.einsum("cd,ndhw->nchw", ycc.new_tensor(TO_RGB), ycc)
    return (round_half_up(rgb).clamp(0, 255) / 255).to(x.dtype)


def quantization_steps(base: np.ndarray, quality: Tensor) -> Tensor:
    """N×1×64: the quantization step of each frequency of a block at a quality (N), from media.jpeg_tables."""
    every = torch.from_numpy(np.stack([table(one, base).ravel() for one in range(1, 101)])).float()
    return every.to(quality.device)[quality.long() - 1][:, None]


@lru_cache(maxsize=1)
def dct_matrix() -> Tensor:
    """64×64: the DCT of a flattened 8×8 block."""
    run = torch.arange(8, dtype=torch.float64)
    one = torch.cos(math.pi / 16 * run[:, None] * (2 * run + 1)) / 2
    one[0] /= math.sqrt(2)
    return torch.kron(one, one).float()


def quantized(plane: Tensor, steps: Tensor) -> Tensor:
    """N×C×H×W of 0 to 255, H and W multiples of 8, with the DCT coefficients of each block rounded to `steps`."""
    count, channels, height, width = plane.shape
    blocks = plane.sub(128).view(count, channels * height // 8, 8, width // 8, 8).transpose(2, 3)
    blocks, to = blocks.reshape(count, -1, 64), dct_matrix().to(plane)
    eighths = (8 * (blocks @ to.T)).round()  # as precise as libjpeg is; halves are rounded away from 0
    rounded = eighths.sign() * ((eighths.abs() + 4 * steps) / (8 * steps)).floor() * steps
    blocks = (rounded @ to).view(count, channels * height // 8, width // 8, 8, 8).transpose(2, 3)
    return round_half_up(blocks.reshape(plane.shape).add(128)).clamp(0, 255)


def round_half_up(x: Tensor) -> Tensor:
    """The nearest integer, halves rounded up; the margin catches halves of flat blocks, which are often just below."""
    return (x + 0.5 + 1e-4).floor()


def to_blocks(plane: Tensor) -> Tensor:
    """N×C×H×W with the last row replicated to a multiple of 8 rows."""
    return F.pad(plane, (0, 0, 0, -plane.shape[-2] % 8), mode="replicate")


def upsample_chroma(small: Tensor) -> Tensor:
    """N×C×h×w -> N×C×2h×2w in integers, with a triangle filter: 3/4 of the nearest row and column, 1/4 of the next."""
    wide = F.pad(small, (1, 1, 1, 1), mode="replicate")
    near, above, below = wide[..., 1:-1, :], wide[..., :-2, :], wide[..., 2:, :]
    rows = torch.stack([3 * near + above, 3 * near + below], -2).flatten(-3, -2)
    near, left, right = rows[..., 1:-1], rows[..., :-2], rows[..., 2:]
    return torch.stack([(3 * near + left + 8) / 16, (3 * near + right + 7) / 16], -1).floor().flatten(-2)
