"""Convolutional encoders and decoders for any channels and size; each stage halves or doubles the grid.

Residual blocks are on the coarsest grid only, as in van den Oord et al. (2017): on the finest grid a block costs 16
times as much and gains little. The memory format is channels-last, in which a norm over channels needs no copy.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from isthmus.errors import unknown
from isthmus.layers import ChannelNorm, glorot, head, pad_to
from isthmus.layers import activation as activate
from isthmus.registry import register
from isthmus.types import Shape


class ResidualBlock(nn.Module):
    """x + two 3×3 convolutions, each after a norm over channels and an activation (He et al. 2016, pre-activation)."""

    def __init__(self, channels: int, activation: str, norm: bool) -> None:
        super().__init__()

        def half() -> list[nn.Module]:
            return [*_bend(channels, activation, norm), nn.Conv2d(channels, channels, 3, padding=1)]

        self.layers = nn.Sequential(*half(), *half())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _bend(channels: int, activation: str, norm: bool) -> list[nn.Module]:
    return [*([ChannelNorm(channels)] if norm else []), activate(activation)]


def _down(wide: int, narrow: int, how: str) -> nn.Module:
    ways = {
        "stride": lambda: nn.Conv2d(wide, narrow, 4, stride=2, padding=1),
        "pool": lambda: nn.Sequential(nn.Conv2d(wide, narrow, 3, padding=1), nn.MaxPool2d(2)),
    }
    if how not in ways:
        raise unknown("downsampling", how, ways)
    return ways[how]()


def _up(wide: int, narrow: int, how: str) -> nn.Module:
    # Neither has checkerboard artifacts: a kernel of 4 covers every pixel of a stride of 2 equally often, and so does a
    # convolution after nearest-neighbor upsampling (Odena et al. 2016).
    ways = {
        "transpose": lambda: nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1),
        "upsample": lambda: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(wide, narrow, 3, padding=1)),
    }
    if how not in ways:
        raise unknown("upsampling", how, ways)
    return ways[how]()


@register
class ConvEncoder(nn.Module):
    """N×C×H×W -> N×channels[-1]×⌈H/2^s⌉×⌈W/2^s⌉, s = len(channels): halve s times, then `blocks` residual blocks."""

    any_size = True

    def __init__(
        self,
        shape: Shape,
        channels: Sequence[int] = (32, 64),
        blocks: int = 1,
        activation: str = "silu",
        norm: bool = True,
        down: str = "stride",
    ) -> None:
        super().__init__()
        self.stride = 2 ** len(channels)
        self.out_shape: Shape = (channels[-1], -(-shape[1] // self.stride), -(-shape[2] // self.stride))
        stages: list[nn.Module] = []
        for wide, narrow in zip([shape[0], *channels], channels, strict=False):
            stages += [*(_bend(wide, activation, norm) if stages else []), _down(wide, narrow, down)]
        stages += [ResidualBlock(channels[-1], activation, norm) for _ in range(blocks)]
        self.layers = nn.Sequential(*stages, *_bend(channels[-1], activation, norm))
        glorot(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(pad_to(x, self.stride).contiguous(memory_format=torch.channels_last))


@register
class ConvDecoder(nn.Module):
    """N×code_shape -> N×out_shape, mirroring the encoder; `channels` from code to image.

    A code that is a grid may have any height and width: the image is then 2^s times as large, to be cropped.
    """

    def __init__(
        self,
        code_shape: Shape,
        out_shape: Shape,
        channels: Sequence[int] = (64, 32),
        blocks: int = 1,
        activation: str = "silu",
        norm: bool = True,
        up: str = "upsample",
    ) -> None:
        super().__init__()
        self.code_shape, self.out_shape = tuple(code_shape), tuple(out_shape)
        self.stride = 2 ** len(channels)
        grid = (channels[0], *(-(-side // self.stride) for side in out_shape[1:]))
        self.grid = head(self.code_shape, grid)
        last = max(8, channels[-1] // 2)  # the finest grid has the most positions, so it gets the fewest channels
        stages: list[nn.Module] = [ResidualBlock(channels[0], activation, norm) for _ in range(blocks)]
        for wide, narrow in zip(channels, [*channels[1:], last], strict=True):
            stages += [*_bend(wide, activation, norm), _up(wide, narrow, up)]
        finest = [*_bend(last, activation, norm), nn.Conv2d(last, out_shape[0], 3, padding=1)]
        self.layers = nn.Sequential(*stages, *finest)
        glorot(self)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(self.grid(z).contiguous(memory_format=torch.channels_last)).contiguous()
