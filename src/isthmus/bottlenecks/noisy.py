"""The noisy bottleneck: a perceptron at each position whose units are dropped at random, so that it cannot copy."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from isthmus.bottlenecks.base import Bottleneck
from isthmus.errors import BadInput
from isthmus.layers import head
from isthmus.registry import register
from isthmus.types import Code, Context, Shape, no_penalty


@register
class Noisy(Bottleneck):
    """z = W₂ drop(gelu(W₁ drop(h))): without noise it would learn to copy what it has never seen (Guo et al. 2025).

    rate: probability that a unit is dropped in training; the others are enlarged by 1 / (1 − rate).
    """

    def __init__(self, in_shape: Shape, code: Shape, rate: float = 0.2) -> None:
        if not 0 <= rate < 1:
            raise BadInput(f"rate {rate:g} of dropped units: 0 or more, and less than 1 is accepted")
        super().__init__((code[0], *in_shape[1:]), code)
        self.rate = rate
        self.wide = head(tuple(in_shape), (code[0], *in_shape[1:]))
        self.any_size = tuple(in_shape[1:]) == self.code_shape[1:]

    def forward(self, h: Tensor, ctx: Context) -> Code:
        z = self.head(self.dropped(F.gelu(self.wide(self.dropped(h, ctx))), ctx))
        return Code(z, no_penalty(z))

    def dropped(self, h: Tensor, ctx: Context) -> Tensor:
        """h, and in training with random units 0."""
        if ctx.noise is None or not self.rate or not self.training:
            return h
        return h * (ctx.noise.uniform(*h.shape[1:]) >= self.rate) / (1 - self.rate)
