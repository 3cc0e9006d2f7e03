"""How far a picture is from the truth, an item at a time: [N] for pictures N×C×H×W (or tables N×D) in [0, 1]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def squared_error(picture: Tensor, truth: Tensor) -> Tensor:
    """Σ (picture − truth)² over each item."""
    return (picture - truth).square().flatten(1).sum(1)


def psnr(picture: Tensor, truth: Tensor) -> Tensor:
    """−10 log₁₀ of the mean squared error, in dB with peak 1; infinite where the two are equal."""
    return -10 * torch.log10((picture - truth).square().flatten(1).mean(1))


def ssim(picture: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004): Gaussian window σ 1.5, 11 wide or the largest odd width that fits.

    Mean over the positions where the window lies inside the picture, then over channels; as scikit-image's with
    gaussian_weights, use_sample_covariance=False and data_range=1.
    """
    size = min(11, *(side - (side % 2 == 0) for side in picture.shape[-2:]))
    offsets = torch.arange(size, dtype=picture.dtype, device=picture.device) - size // 2
    window = torch.exp(-offsets.square() / (2 * 1.5**2))
    window = window / window.sum()

    n, channels = picture.shape[:2]
    maps = torch.cat([picture, truth, picture * picture, truth * truth, picture * truth])
    maps = maps.flatten(0, 1).unsqueeze(1)
    maps = F.conv2d(F.conv2d(maps, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
    a, b, aa, bb, ab = maps.view(5, n, channels, *maps.shape[-2:])
    c1, c2 = 0.01**2, 0.03**2
    likeness = (2 * a * b + c1) * (2 * (ab - a * b) + c2)
    return (likeness / ((a * a + b * b + c1) * (aa - a * a + bb - b * b + c2))).flatten(1).mean(1)
