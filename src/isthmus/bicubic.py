"""Pictures made smaller or larger by a whole factor, as MATLAB's imresize does: the protocol of super-resolution.

Cubic convolution with a = -0.5 (Keys 1981), widened against aliasing where the picture shrinks, the picture mirrored at
its edges. Sums of shifted pictures and no convolution: the same on every machine, whatever the precision of its nets.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor


def shrink(x: Tensor, scale: int) -> Tensor:
    """N×C×H×W -> N×C×H/scale×W/scale; scale has to divide both sides."""
    return _both(x, _weights_down(scale), step=scale)


def enlarge(x: Tensor, scale: int) -> Tensor:
    """N×C×H×W -> N×C×(scale·H)×(scale·W), not cut to [0, 1]."""
    return _both(x, _weights_up(scale), step=1)


def _both(x: Tensor, phases: list[list[float]], step: int) -> Tensor:
    return _along(_along(x, 2, phases, step), 3, phases, step)


def _along(x: Tensor, dim: int, phases: list[list[float]], step: int) -> Tensor:
    """One dimension: at every `step`-th place, a weighted sum of the neighbours for each row of weights in `phases`."""
    side, taps = x.shape[dim], len(phases[0])
    pad = (taps - step) // 2
    mirrored = x.index_select(dim, _mirrored(torch.arange(-pad, side + pad, device=x.device), side))
    windows = mirrored.unfold(dim, taps, step).unbind(-1)
    sums = [_sum(windows, row) for row in phases]
    return torch.stack(sums, dim + 1).flatten(dim, dim + 1)


def _mirrored(places: Tensor, side: int) -> Tensor:
    """Places up to 2·side outside of 0..side-1 -> the pixels that lie there. No remainder: an export knows none."""
    inside = torch.maximum(places, -1 - places)
    inside = torch.minimum(inside, 2 * side - 1 - inside)
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


def _weights(places: range, centre: float, width: float) -> list[float]:
    raw = [_cubic(abs(place - centre) / width) for place in places]
    return [weight / sum(raw) for weight in raw]


def _cubic(t: float) -> float:
    if t < 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0
