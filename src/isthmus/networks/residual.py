"""Super-resolution networks: residual blocks at low resolution, and a pixel shuffle at the end.

Computing at low resolution is cheapest (Shi et al. 2016); there is no norm (Lim et al. 2017). The network learns the
difference from bicubic upsampling, so an untrained one is close to bicubic.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.bicubic import enlarge
from isthmus.networks.blocks import blocks_of, start
from isthmus.registry import register
from isthmus.types import Shape


@register
class ResidualEncoder(nn.Module):
    """N×C×H×W -> (N×channels×H×W, [x̃, the first features]). reach: the radius of the receptive field in pixels."""

    any_size = True

    def __init__(self, shape: Shape, channels: int = 48, blocks: int = 8, bias: bool = False) -> None:
        super().__init__()
        self.out_shape: Shape = (channels, *shape[1:])
        self.reach = 1 + 2 * blocks
        self.head = nn.Conv2d(shape[0], channels, 3, padding=1, bias=bias)
        self.stages = blocks_of(channels, blocks, bias)
        start(self)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        first = self.head(x.contiguous(memory_format=torch.channels_last))
        return self.stages(first), [x, first]


@register
class ResidualDecoder(nn.Module):
    """(N×channels×H×W, [x̃, the first features]) -> N×out×(scale H)×(scale W): bicubic x̃ plus the learned residual."""

    def __init__(self, out: int, channels: int = 48, scale: int = 2, bias: bool = False) -> None:
        super().__init__()
        self.scale, self.reach = scale, 2
        self.tail = nn.Conv2d(channels, out * scale**2, 3, padding=1, bias=bias)
        start(self)
        with torch.no_grad():
            self.tail.weight.mul_(0.1)

    def forward(self, z: Tensor, skips: list[Tensor]) -> Tensor:
        x, first = skips
        y = F.pixel_shuffle(self.tail((z + first).contiguous(memory_format=torch.channels_last)), self.scale)
        return (y + enlarge(x, self.scale)).contiguous()
