"""The convolutional VAE of `isthmus.create("variational", net="conv", loss="bce")`, written again in plain PyTorch.

Layer for layer the same, in the same order, with the same memory layout; benchmarks/speed.py checks that, with the
same weights, the loss is the same too. Nothing of isthmus is imported: it runs in the peers' environments.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


class ChannelNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        half = [[ChannelNorm(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)] for _ in range(2)]
        self.layers = nn.Sequential(*half[0], *half[1])

    def forward(self, x):
        return x + self.layers(x)


class ConvVAE(nn.Module):
    """N×C×H×W in [0, 1]; `widths` stages, each halving the grid; H and W are multiples of 2**len(widths)."""

    def __init__(self, shape, widths, code=16):
        super().__init__()
        deepest, last = widths[-1], max(8, widths[0] // 2)
        self.grid_shape = (deepest, *(side // 2 ** len(widths) for side in shape[1:]))
        down = []
        for wide, narrow in zip([shape[0], *widths], widths, strict=False):
            down += [ChannelNorm(wide), nn.SiLU()] if down else []
            down += [nn.Conv2d(wide, narrow, 4, stride=2, padding=1)]
        self.down = nn.Sequential(*down, Residual(deepest), ChannelNorm(deepest), nn.SiLU())
        self.head = nn.Linear(math.prod(self.grid_shape), 2 * code)
        self.grid = nn.Linear(code, math.prod(self.grid_shape))
        up = [Residual(deepest)]
        for wide, narrow in zip(widths[::-1], [*widths[-2::-1], last], strict=True):
            up += [ChannelNorm(wide), nn.SiLU(), nn.Upsample(scale_factor=2), nn.Conv2d(wide, narrow, 3, padding=1)]
        self.up = nn.Sequential(*up, ChannelNorm(last), nn.SiLU(), nn.Conv2d(last, shape[0], 3, padding=1))

    def encode(self, x):
        """Mean and log variance, each N×code."""
        h = self.down(x.contiguous(memory_format=torch.channels_last))
        mean, log_variance = self.head(h.flatten(1)).chunk(2, dim=1)
        return mean, log_variance.clamp(-20, 10)

    def decode(self, z):
        """Logits N×C×H×W."""
        grid = self.grid(z).unflatten(1, self.grid_shape)
        return self.up(grid.contiguous(memory_format=torch.channels_last)).contiguous()

    def loss(self, x, noise=True):
        """The negative ELBO in nats a picture, mean over the batch."""
        mean, log_variance = self.encode(x)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean) if noise else mean
        reconstruction = F.binary_cross_entropy_with_logits(self.decode(z), x, reduction="sum")
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        return (reconstruction + kl) / len(x)


WIDTHS = {28: (32, 64), 64: (32, 64, 128)}  # by the side of the picture
