"""Fully connected encoders and decoders of any depth, for items of any one shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from isthmus.layers import activation as activate
from isthmus.layers import glorot
from isthmus.registry import register
from isthmus.types import Shape


def _layers(sizes: Sequence[int], activation: str, norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(sizes):
        layers.append(nn.Linear(wide, narrow))
        if norm:
            layers.append(nn.LayerNorm(narrow))
        layers.append(activate(activation))
    return nn.Sequential(*layers)


@register
class DenseEncoder(nn.Module):
    """N×shape -> N×widths[-1], an activation after every layer; without widths h is the flattened x̃.

    center: subtract the mean item, a buffer that is set before the first step.
    """

    any_size = False
    mean: Tensor

    def __init__(
        self,
        shape: Shape,
        widths: Sequence[int] = (),
        activation: str = "relu",
        norm: bool = False,
        center: bool = False,
    ) -> None:
        super().__init__()
        self.center = center
        if center:
            self.register_buffer("mean", torch.zeros(math.prod(shape)))
        sizes = [math.prod(shape), *widths]
        self.out_shape: Shape = (sizes[-1],)
        self.layers = _layers(sizes, activation, norm)
        glorot(self)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.layers(x - self.mean if self.center else x)


@register
class DenseDecoder(nn.Module):
    """N×code_shape -> N×out_shape through `widths`, in the order from code to output; the last layer is linear."""

    def __init__(
        self,
        code_shape: Shape,
        out_shape: Shape,
        widths: Sequence[int] = (),
        activation: str = "relu",
        norm: bool = False,
    ) -> None:
        super().__init__()
        self.code_shape, self.out_shape = tuple(code_shape), tuple(out_shape)
        sizes = [math.prod(code_shape), *widths]
        self.layers = _layers(sizes, activation, norm).append(nn.Linear(sizes[-1], math.prod(out_shape)))
        glorot(self)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z.flatten(1)).unflatten(1, self.out_shape)
