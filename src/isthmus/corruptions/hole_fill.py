"""What stands in a hole before any net has seen it: a first guess, as smooth as what is around it allows.

A net without bias cannot divide by how much is known near by, and one that begins from zeros or from a blur spends its
training on learning to interpolate. From here it begins beside the classical methods, and learns what they lack.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.layers import pad_to

LEVELS = 5  # halvings, so that the middle of a hole of 32 px is near what is known
STEPS = 8  # towards the smoothest filling; 16 and 64 are within 0.05 dB of it
LOWEST, HIGHEST = 2.0, 64.0  # eigenvalues of ∇⁴ that the steps put out; 64 is the largest there is
REACH, STRIDE = 2 ** (LEVELS + 1) + 2 * STEPS, 2**LEVELS


def fill_holes(x: Tensor, mask: Tensor) -> Tensor:
    """x N×C×H×W with a first guess where mask, N×1×H×W, is 1, whatever was there (NaN too)."""
    return smoothed(pulled(x, mask), mask)


def pulled(x: Tensor, mask: Tensor, levels: int = LEVELS) -> Tensor:
    """Push and pull (Gortler et al. 1996): what is hidden is taken from the mean of what is known, coarser and coarser.

    A pixel with nothing known within `levels` halvings becomes 0.
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


def smoothed(value: Tensor, mask: Tensor) -> Tensor:
    """Towards ∇⁴ value = 0 in the holes: the biharmonic filling, by Chebyshev's iteration from what is there.

    Its steps are the same numbers for every picture, so a part of a picture comes out as the whole does.
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
    """The four neighbours less four times the pixel; at the edge a pixel stands for the neighbour that is missing."""
    p = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return p[..., 1:-1, :-2] + p[..., 1:-1, 2:] + p[..., :-2, 1:-1] + p[..., 2:, 1:-1] - 4 * x
