"""What networks and bottlenecks are both made of: activations, a norm that looks at one position only, heads."""

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
    """The activation of that name; raises BadInput with the nearest name for one that is not here."""
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each position of N×C×...: an item, a tile or half a batch give the same."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def head(in_shape: Shape, out_shape: Shape) -> nn.Module:
    """A linear map from features to a code or back: 1×1 where both lie on one grid, else through all numbers."""
    if len(in_shape) > 1 and in_shape[1:] == out_shape[1:]:
        return nn.Conv2d(in_shape[0], out_shape[0], 1)
    dense = nn.Linear(math.prod(in_shape), math.prod(out_shape))
    return (
        nn.Sequential(nn.Flatten(), dense, nn.Unflatten(1, out_shape))
        if len(out_shape) > 1
        else (nn.Sequential(nn.Flatten(), dense))
    )


def glorot(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases: torch's own start kills a quarter of a ReLU code.

    Where a norm stands, biases of U(-b, b), b = 1/√fan-in: with zeros a black picture is a zero vector at every
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
    down, right = ((side + stride - 1) // stride * stride - side for side in x.shape[-2:])
    known = isinstance(down, int) and isinstance(right, int)  # an export leaves a size open: then always pad
    return x if known and not (down or right) else F.pad(x, (0, right, 0, down), mode="replicate")


def mirror_to(x: Tensor, stride: int) -> Tensor:
    """Mirror N×C×H×W past its last row and column until `stride` divides the height and the width.

    A repeated row of noise is a streak that no net has learned from: on pictures of odd sizes it cost .1 to .4 dB.
    """
    return mirrored(x, *((side + stride - 1) // stride * stride for side in x.shape[-2:]))


def mirrored(x: Tensor, height: int, width: int) -> Tensor:
    """N×C×H×W made higher and wider by its own rows and columns, mirrored at the last one.

    A picture smaller than what is added is mirrored at its first one as well, and then repeats its last.
    """
    for axis, total in ((-2, height), (-1, width)):
        side = x.shape[axis]
        if isinstance(side, int) and total == side:  # an export leaves a size open: then always
            continue
        rows = torch.arange(total, device=x.device)
        last = side - 1
        mirror = (last - (last - rows).abs()).abs()  # 0 1 2 1 0 1: again at the first, as far as that goes
        places = torch.minimum(mirror, torch.full_like(rows, last))
        x = x.index_select(axis, places)
    return x


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """The value of `hard`, to the bit, with the gradient of `soft` (Bengio et al. 2013)."""
    return hard.detach() + (soft - soft.detach())


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
