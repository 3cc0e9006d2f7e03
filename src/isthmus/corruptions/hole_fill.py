"""Smooth filling of holes before the network: push-pull interpolation, then a few biharmonic steps.

A network without bias cannot divide by the number of known pixels nearby, and one that starts from zeros or a blur
spends its training on learning to interpolate. From here it starts level with the classical methods.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.layers import pad_to

LEVELS = 5  # halvings: at the coarsest level the center of a 32 px hole is next to known pixels
STEPS = 8  # toward the smoothest filling; 16 and 64 are within 0.05 dB of it
LOWEST, HIGHEST = 2.0, 64.0  # eigenvalues of ∇⁴ that the steps damp; 64 is the largest
REACH, STRIDE = 2 ** (LEVELS + 1) + 2 * STEPS, 2**LEVELS


def fill_holes(x: Tensor, mask: Tensor) -> Tensor:
    """x N×C×H×W with a smooth filling where mask, N×1×H×W, is 1; values there (also NaN) are ignored."""
    return biharmonic(push_pull(x, mask), mask)


def push_pull(x: Tensor, mask: Tensor, levels: int = LEVELS) -> Tensor:
    """Push-pull (Gortler et al. 1996): hidden pixels become the mean of known pixels on ever coarser levels.

    A pixel without a known pixel within `levels` halvings becomes 0.
    """
    known = pad_to(1 - mask, 2**levels)
    value = pad_to(torch.where(mask > 0, 0.0, x), 2**levels)
    finer: list[tuple[Tensor, Tensor]] = []
    for _ in range(levels):
        finer.append((value, known))
        share = F.avg_pool2d(known, 2)
        value = F.avg_pool2d(value * known, 2) / share.clamp(min=1e-6)
        known = (4 * share).clamp(max=1)
    for sharper, known in reversed(finer):
        value = torch.lerp(F.interpolate(value, scale_factor=2, mode="bilinear"), sharper, known)
    return value[..., : x.shape[-2], : x.shape[-1]]


def biharmonic(value: Tensor, mask: Tensor) -> Tensor:
    """Towards ∇⁴ value = 0 in the holes, the biharmonic filling, by Chebyshev iteration from `value`.

    The step sizes are the same for every image, so a tile gives the same result as the full image.
    """
    middle, half = (HIGHEST + LOWEST) / 2, (HIGHEST - LOWEST) / 2
    share = half / middle
    change = -mask * laplacian(laplacian(value)) / middle
    for _ in range(STEPS - 1):
        value = value + change
        after = 1 / (2 * middle / half - share)
        change = after * (share * change - 2 / half * mask * laplacian(laplacian(value)))
        share = after
    return value + change


def laplacian(x: Tensor) -> Tensor:
    """The sum of the four neighbors minus four times the pixel, with replicated edges."""
    p = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return p[..., 1:-1, :-2] + p[..., 1:-1, 2:] + p[..., :-2, 1:-1] + p[..., 2:, 1:-1] - 4 * x
