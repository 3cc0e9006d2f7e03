"""Anomaly maps: the difference between an image (or a row of a table) x and its reconstruction y, per position.

Each function takes y and x, N×C×H×W or N×D in [0, 1], and returns N×H×W or N×D; 0 where the two are equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Map = Callable[[Tensor, Tensor], Tensor]


def error(y: Tensor, x: Tensor) -> Tensor:
    """The squared error, summed over the channels."""
    squared = (y - x).square()
    return squared.sum(1) if x.dim() > 2 else squared


def structural(y: Tensor, x: Tensor) -> Tensor:
    """1 − SSIM around each pixel, the mean over channels (Bergmann et al. 2019): structure, independent of contrast."""
    window = 1.5 if min(x.shape[2:]) >= 11 else 0.75
    mean_y, mean_x = blurred(y, window), blurred(x, window)
    product, squares = mean_x * mean_y, mean_x.square().add_(mean_y.square())
    variances = blurred(torch.addcmul(x * x, y, y), window).sub_(squares)
    covariance = blurred(x * y, window).sub_(product)
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * product + c1).mul_(2 * covariance + c2)
    similarity = similarity.div_((squares + c1).mul_(variances.add_(c2)))
    return (1 - similarity).clamp(min=0).mean(1)


def gradient(y: Tensor, x: Tensor) -> Tensor:
    """The squared difference of the image gradients, summed over the channels: edges, independent of brightness."""
    difference = F.pad(y - x, (1, 1, 1, 1), mode="replicate")
    across = difference[..., 1:-1, 2:] - difference[..., 1:-1, :-2]
    down = difference[..., 2:, 1:-1] - difference[..., :-2, 1:-1]
    return (across.square() + down.square()).sum(1) / 4


MAPS: dict[str, Map] = {"error": error, "ssim": structural, "gradient": gradient}
POOLS = ("mean", "max", "worst")


def blurred(x: Tensor, sigma: float) -> Tensor:
    """N×C×H×W, N×H×W or N×D, smoothed by a Gaussian of σ pixels; σ = 0 returns x. Edges are mirrored."""
    if sigma <= 0:
        return x
    flat = x[:, None, None] if x.dim() == 2 else x[:, None] if x.dim() == 3 else x
    for axis in (-1, -2):
        length = flat.shape[axis]
        radius = min(int(3 * sigma + 0.5), length - 1)
        if radius == 0:
            continue
        weights = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(-radius, radius + 1)]
        padded = F.pad(flat, (radius, radius, 0, 0) if axis == -1 else (0, 0, radius, radius), mode="reflect")
        # A sum of shifted images: for one channel a fortieth of the time of a convolution.
        flat = padded.narrow(axis, 0, length) * (weights[0] / sum(weights))
        for offset, weight in enumerate(weights[1:], 1):
            flat = flat.add_(padded.narrow(axis, offset, length), alpha=weight / sum(weights))
    return flat.reshape(x.shape)


def pooled(maps: Tensor, how: str, share: float) -> Tensor:
    """One number for each map, [N]: its mean, its maximum, or the mean of its largest `share` of values."""
    values = maps.flatten(1)
    if how == "mean":
        return values.mean(1)
    if how == "max":
        return values.amax(1)
    return values.topk(max(1, round(share * values.shape[1])), dim=1).values.mean(1)
