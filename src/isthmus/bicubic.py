"""Bicubic resizing of images by an integer factor, as MATLAB's imresize does: the protocol of super-resolution.

Cubic convolution with a = -0.5 (Keys 1981), widened against aliasing when downsampling, the image mirrored at its
edges. Computed as sums of shifted images, not as a convolution: the same on every machine, at any precision of nets.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor


def shrink(x: Tensor, scale: int) -> Tensor:
    """N×C×H×W -> N×C×H/scale×W/scale; scale has to divide height and width."""
    return _both(x, _weights_down(scale), step=scale)


def enlarge(x: Tensor, scale: int) -> Tensor:
    """N×C×H×W -> N×C×(scale·H)×(scale·W), not clipped to [0, 1]."""
    return _both(x, _weights_up(scale), step=1)


def _both(x: Tensor, phases: list[list[float]], step: int) -> Tensor:
    return _along(_along(x, 2, phases, step), 3, phases, step)


def _along(x: Tensor, dim: int, phases: list[list[float]], step: int) -> Tensor:
    """One dimension: at every `step`-th position, a weighted sum of the neighbors for each row of `phases`."""
    size, taps = x.shape[dim], len(phases[0])
    pad = (taps - step) // 2
    mirrored = x.index_select(dim, _mirrored(torch.arange(-pad, size + pad, device=x.device), size))
    windows = mirrored.unfold(dim, taps, step).unbind(-1)
    sums = [_sum(windows, row) for row in phases]
    return torch.stack(sums, dim + 1).flatten(dim, dim + 1)


def _mirrored(positions: Tensor, size: int) -> Tensor:
    """Positions up to 2·size outside of 0..size-1, mirrored into it. Without remainders, which ONNX export lacks."""
    inside = torch.maximum(positions, -1 - positions)
    inside = torch.minimum(inside, 2 * size - 1 - inside)
    return torch.maximum(inside, -1 - inside)


def _sum(parts: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    total = parts[0] * weights[0]
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        total = torch.add(total, part, alpha=weight) if weight else total
    return total


@lru_cache
def _weights_up(scale: int) -> list[list[float]]:
    return [_weights(range(-2, 3), (phase + 0.5) / scale - 0.5, 1) for phase in range(scale)]


@lru_cache
def _weights_down(scale: int) -> list[list[float]]:
    reach = (3 * scale + 1) // 2
    return [_weights(range(-reach, scale + reach), (scale - 1) / 2, scale)]


def _weights(positions: range, center: float, width: float) -> list[float]:
    raw = [_cubic(abs(position - center) / width) for position in positions]
    return [weight / sum(raw) for weight in raw]


def _cubic(t: float) -> float:
    if t < 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0
