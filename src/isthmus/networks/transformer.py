"""A transformer over the positions of a grid, with linear attention: its cost grows with the positions, not their
square, and it cannot attend to one position alone, so it copies its input less well (Guo et al. 2025, Dinomaly).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.registry import register
from isthmus.types import Shape

EPS = 1e-6


@register
class TransformerEncoder(nn.Module):
    """N×C×h×w -> N×width×h×w: each position by itself, and a learned vector for its place in the grid."""

    any_size = False

    def __init__(self, shape: Shape, width: int = 128) -> None:
        super().__init__()
        self.out_shape: Shape = (width, *shape[1:])
        self.embed = nn.Conv2d(shape[0], width, 1)
        self.position = nn.Parameter(torch.randn(self.out_shape) * 0.02)

    def forward(self, x: Tensor) -> Tensor:
        return self.embed(x) + self.position


@register
class TransformerDecoder(nn.Module):
    """N×width×h×w -> N×out×h×w, by `depth` blocks of linear attention and a perceptron."""

    def __init__(self, code_shape: Shape, out: int, depth: int = 2, heads: int = 8) -> None:
        super().__init__()
        self.code_shape: Shape = tuple(code_shape)
        width = code_shape[0]
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, out))

    def forward(self, z: Tensor) -> Tensor:
        tokens = z.flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        return self.last(tokens).transpose(1, 2).unflatten(2, self.code_shape[1:])  # type: ignore[no-any-return]


class Block(nn.Module):
    """Tokens N×T×width -> the same: attention, then a perceptron, each added to its normalized input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.perceptron = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.out(self.attention(self.before(tokens)))
        return tokens + self.perceptron(self.between(tokens))

    def attention(self, tokens: Tensor) -> Tensor:
        """Linear attention with elu + 1 (Katharopoulos et al. 2020)."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.query_key_value(tokens).chunk(3, 2)
        )
        query, key = F.elu(query) + 1, F.elu(key) + 1
        total = query @ key.sum(2, keepdim=True).transpose(2, 3)
        mixed = query @ (key.transpose(2, 3) @ value) / (total + EPS)
        return mixed.transpose(1, 2).flatten(2)
