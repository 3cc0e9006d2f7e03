"""A plain convolutional network whose layers serve as features: self-trained, and shipped as `features`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from isthmus.registry import register

MEAN, SCALE = 0.45, 4.0  # of natural pictures in [0, 1]: about zero mean and unit variance behind them


@register
class ConvolutionalFeatures(nn.Module):
    """N×3×H×W or N×1×H×W in [0, 1] -> a layer N×K×h×w per width, of strides 4, 8, 16, ...

    A layer is the sum of its residual blocks before their ReLU: signed numbers, as distances and Gaussians need them.
    Nothing is normalized by statistics of the batch or of positions, so that a feature depends on its receptive field
    alone. `norm` adds batch norms for training; `folded` takes them into the weights.
    """

    channels = 3

    def __init__(
        self, widths: Sequence[int] = (64, 128, 192), stem: int = 32, blocks: int = 1, norm: bool = False
    ) -> None:
        super().__init__()
        self.widths, self.stem_width, self.blocks = tuple(widths), stem, blocks
        self.stem = convolution(3, stem, 5, 2, norm)
        before = (stem, *widths)
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(), convolution(before[i], width, 3, 2, norm), *(Block(width, norm) for _ in range(blocks))
            )
            for i, width in enumerate(widths)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        h = self.stem((x.expand(-1, 3, -1, -1) - MEAN) * SCALE)
        layers = []
        for stage in self.stages:
            h = stage(h)
            layers.append(h)
        return tuple(layers)


class Block(nn.Module):
    """h + two convolutions of its positive part."""

    def __init__(self, width: int, norm: bool) -> None:
        super().__init__()
        first, second = (convolution(width, width, 3, 1, norm) for _ in range(2))
        self.change = nn.Sequential(nn.ReLU(), first, nn.ReLU(), second)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.change(h)


def convolution(before: int, after: int, size: int, stride: int, norm: bool) -> nn.Module:
    conv = nn.Conv2d(before, after, size, stride, size // 2, bias=not norm)
    return nn.Sequential(conv, nn.BatchNorm2d(after)) if norm else conv


@torch.no_grad()
def folded(trained: ConvolutionalFeatures) -> ConvolutionalFeatures:
    """The same function, in eval mode, with the batch norms taken into the convolutions."""
    plain = ConvolutionalFeatures(trained.widths, trained.stem_width, trained.blocks)
    convolutions, targets = ([m for m in net.modules() if isinstance(m, nn.Conv2d)] for net in (trained, plain))
    norms = [m for m in trained.modules() if isinstance(m, nn.BatchNorm2d)]
    for conv, norm, target in zip(convolutions, norms, targets, strict=True):
        target.load_state_dict(fuse_conv_bn_eval(conv, norm).state_dict())
    return plain.eval()
