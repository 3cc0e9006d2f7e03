"""Layers shared by networks and bottlenecks: activations, a per-position norm, heads, padding."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.errors import unknown
from isthmus.types import Shape

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}


def activation(name: str) -> nn.Module:
    """The activation of that name; raises BadInput with the nearest name for an unknown one."""
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each position of N×C×...: the same result for an item, a tile or a batch."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def head(in_shape: Shape, out_shape: Shape) -> nn.Module:
    """A linear map from features to a code or back: a 1×1 convolution where both lie on one grid, else dense."""
    if len(in_shape) > 1 and in_shape[1:] == out_shape[1:]:
        return nn.Conv2d(in_shape[0], out_shape[0], 1)
    dense = nn.Linear(math.prod(in_shape), math.prod(out_shape))
    return (
        nn.Sequential(nn.Flatten(), dense, nn.Unflatten(1, out_shape))
        if len(out_shape) > 1
        else (nn.Sequential(nn.Flatten(), dense))
    )


def glorot(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases: torch's default initialization kills a quarter of a ReLU code.

    In a module with a norm, biases of U(-b, b), b = 1/√fan-in: with zeros a black image is a zero vector at every
    norm, and each multiplies its gradient by 1/√eps, to 10¹⁹ in all.
    """
    normed = any(isinstance(layer, (nn.LayerNorm, nn.GroupNorm)) for layer in module.modules())
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                bound = layer.weight[0].numel() ** -0.5 if normed else 0.0
                nn.init.uniform_(layer.bias, -bound, bound)


def pad_to(x: Tensor, stride: int) -> Tensor:
    """Repeat the last row and column of N×C×H×W until `stride` divides the height and the width."""
    down, right = ((size + stride - 1) // stride * stride - size for size in x.shape[-2:])
    known = isinstance(down, int) and isinstance(right, int)  # sizes are symbolic in an export: then always pad
    return x if known and not (down or right) else F.pad(x, (0, right, 0, down), mode="replicate")


def mirror_to(x: Tensor, stride: int) -> Tensor:
    """Mirror N×C×H×W past its last row and column until `stride` divides the height and the width.

    A repeated row of noise is a streak that no net was trained on: on images of odd sizes it cost .1 to .4 dB.
    """
    return mirrored(x, *((size + stride - 1) // stride * stride for size in x.shape[-2:]))


def mirrored(x: Tensor, height: int, width: int) -> Tensor:
    """N×C×H×W padded at the bottom and right to height×width by its own rows and columns, mirrored at the last one.

    An image smaller than the padding is mirrored at its first row as well, then its last row is repeated.
    """
    for axis, total in ((-2, height), (-1, width)):
        size = x.shape[axis]
        if isinstance(size, int) and total == size:  # sizes are symbolic in an export: then always pad
            continue
        rows = torch.arange(total, device=x.device)
        last = size - 1
        mirror = (last - (last - rows).abs()).abs()  # 0 1 2 1 0 1: again at the first, as far as that goes
        x = x.index_select(axis, torch.minimum(mirror, torch.full_like(rows, last)))
    return x


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """The value of `hard`, to the bit, with the gradient of `soft` (Bengio et al. 2013)."""
    return hard.detach() + (soft - soft.detach())


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
