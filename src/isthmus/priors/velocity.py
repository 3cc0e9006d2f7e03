"""The networks of flow matching: the velocity of a code at a time, for vectors and for grids."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.types import Shape

FREQUENCIES = 64  # of the features of a time, half of them sines


class Embedding(nn.Module):
    """Times [N] in [0, 1] and labels [N] -> N×width; the last of the classes + 1 labels is the null label."""

    frequencies: Tensor

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        turns = torch.logspace(0, 2.5, FREQUENCIES // 2)
        self.register_buffer("frequencies", turns, persistent=False)
        self.time = nn.Sequential(nn.Linear(FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))
        self.label = nn.Embedding(classes + 1, width)

    def forward(self, time: Tensor, labels: Tensor) -> Tensor:
        angles = time[:, None] * self.frequencies
        return F.silu(self.time(torch.cat([angles.sin(), angles.cos()], 1)) + self.label(labels))


class Modulation(nn.Module):
    """x · (1 + scale) + shift with the scale and shift of each channel from the embedding, 0 at first (FiLM)."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.linear = zero(nn.Linear(width, 2 * channels))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.linear(embedding).unflatten(1, (-1, *[1] * (x.dim() - 2))).chunk(2, 1)
        return x * (1 + scale) + shift


class DenseBlock(nn.Module):
    """x + a perceptron of the normalized, modulated x; it is x at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = Modulation(width, width)
        last = zero(nn.Linear(2 * width, width))
        self.perceptron = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), last)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return x + self.perceptron(self.modulation(self.norm(x), embedding))


class DenseVelocity(nn.Module):
    """N×D -> N×D, by residual blocks of perceptrons. Its output is 0 at first."""

    def __init__(self, shape: Shape, classes: int, width: int, depth: int) -> None:
        super().__init__()
        self.embedding = Embedding(width, classes)
        self.first = nn.Linear(shape[0], width)
        self.blocks = nn.ModuleList(DenseBlock(width) for _ in range(depth))
        self.last = nn.Sequential(nn.LayerNorm(width), zero(nn.Linear(width, shape[0])))

    def forward(self, x: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        embedding = self.embedding(time, labels)
        x = self.first(x)
        for block in self.blocks:
            x = block(x, embedding)
        return self.last(x)  # type: ignore[no-any-return]


class ConvBlock(nn.Module):
    """x + two 3×3 convolutions after a group norm and SiLU, the second of which is modulated; it is x at first."""

    def __init__(self, channels: int, out: int, width: int) -> None:
        super().__init__()
        self.same = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)
        self.before, self.between = normed(channels), normed(out)
        self.first = nn.Conv2d(channels, out, 3, padding=1)
        self.modulation = Modulation(width, out)
        self.second = zero(nn.Conv2d(out, out, 3, padding=1))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.first(F.silu(self.before(x)))
        h = F.silu(self.modulation(self.between(h), embedding))
        return self.same(x) + self.second(h)  # type: ignore[no-any-return]


class Attention(nn.Module):
    """x + attention between all positions of N×C×h×w; it is x at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = math.gcd(4, channels)
        self.norm = normed(channels)
        self.query_key_value, self.out = nn.Conv2d(channels, 3 * channels, 1), zero(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        parts = self.query_key_value(self.norm(x)).flatten(2).unflatten(1, (3, self.heads, -1))
        query, key, value = parts.transpose(3, 4).unbind(1)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return x + self.out(mixed.transpose(2, 3).flatten(1, 2).unflatten(2, x.shape[2:]))


class GridVelocity(nn.Module):
    """N×C×h×w -> N×C×h×w by a U-Net with attention on its coarsest grid. Its output is 0 at first.

    The grid is halved, rounded up, while a side has 8 or more, at most three times; each halving doubles the channels,
    to at most 4 · width. depth: blocks of each grid on the way down, and on the way up. A code C×T is one row.
    """

    def __init__(self, shape: Shape, classes: int, width: int, depth: int) -> None:
        super().__init__()
        halvings, side = 0, max(shape[1:])
        while side >= 8 and halvings < 3:
            halvings, side = halvings + 1, -(-side // 2)
        embedding = 4 * width
        self.embedding = Embedding(embedding, classes)
        self.first = nn.Conv2d(shape[0], width, 3, padding=1)
        sizes = [width * min(2**level, 4) for level in range(halvings + 1)]

        def blocks(channels: int, out: int) -> nn.ModuleList:
            return nn.ModuleList(ConvBlock(channels if index == 0 else out, out, embedding) for index in range(depth))

        self.down = nn.ModuleList(blocks(sizes[max(0, level - 1)], size) for level, size in enumerate(sizes))
        self.attention = Attention(sizes[-1])
        # The first stage of the way up stays on the coarsest grid and has no skip.
        outputs = [sizes[-1], *sizes[-2::-1]]
        inputs = [sizes[-1], *(outputs[level] + size for level, size in enumerate(sizes[-2::-1]))]
        self.up = nn.ModuleList(map(blocks, inputs, outputs))
        self.last = nn.Sequential(normed(width), nn.SiLU(), zero(nn.Conv2d(width, shape[0], 3, padding=1)))

    def forward(self, x: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        shape = x.shape
        x = x.unsqueeze(2) if x.dim() == 3 else x
        embedding, skips = self.embedding(time, labels), []
        x = self.first(x)
        for level, stage in enumerate(self.down):
            if level:
                skips.append(x)
                x = F.adaptive_avg_pool2d(x, (-(-x.shape[2] // 2), -(-x.shape[3] // 2)))
            for block in stage:  # type: ignore[attr-defined]
                x = block(x, embedding)
        x = self.attention(x)
        for level, stage in enumerate(self.up):
            if level:
                skip = skips.pop()
                x = torch.cat([F.interpolate(x, skip.shape[2:]), skip], 1)
            for block in stage:  # type: ignore[attr-defined]
                x = block(x, embedding)
        return self.last(x).view(shape)  # type: ignore[no-any-return]


def normed(channels: int) -> nn.GroupNorm:
    """Group norm of groups of at least 8 channels, so that it keeps information on a grid of 1×1 too."""
    return nn.GroupNorm(math.gcd(64, channels) // 8 or 1, channels)


def zero(layer: nn.Linear | nn.Conv2d) -> nn.Module:
    for weight in layer.parameters():
        nn.init.zeros_(weight)
    return layer
