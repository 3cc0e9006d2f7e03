"""U-Nets from images to images of the same size: each stage halves the grid, and skips bypass the bottleneck.

Residual blocks without norm, and additive skips (Zhang et al. 2021). Without biases the network is homogeneous,
f(a x) = a f(x), so it generalizes to noise stronger than in its training (Mohan et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.errors import BadInput
from isthmus.layers import mirror_to
from isthmus.networks.blocks import blocks_of, normed, start
from isthmus.registry import register
from isthmus.types import Shape

GAIN = 10.0  # the largest gain of contrast; an opacity of 0.9 reduces contrast to a tenth


@register
class UNetEncoder(nn.Module):
    """N×C×H×W -> (N×channels[-1]×h×w, skips); skips[0] is x̃ itself, then one per stage, the finest first.

    fold: pixel unshuffle by this factor before the first stage (Shi et al. 2016): a fourth of the computation at
    fold=2, at hardly any loss. reach: the radius of the receptive field in pixels; None with a norm, which takes
    statistics over all positions. norm: normalizes the image and in each block, so the result does not depend on
    brightness and contrast. plain: blocks are not residual.
    """

    any_size = True

    def __init__(
        self,
        shape: Shape,
        channels: Sequence[int] = (48, 96, 192),
        blocks: Sequence[int] = (1, 1, 1),
        fold: int = 2,
        bias: bool = False,
        norm: bool = False,
        plain: bool = False,
    ) -> None:
        super().__init__()
        if len(channels) != len(blocks):
            raise BadInput(f"channels {tuple(channels)} and blocks {tuple(blocks)}: one number of each a stage")
        self.norm, self.fold, self.stride = norm, fold, fold * 2 ** (len(channels) - 1)
        self.out_shape: Shape = (channels[-1], *(-(-side // self.stride) for side in shape[1:]))
        near = fold + sum(2 * count * fold * 2**stage for stage, count in enumerate(blocks)) + self.stride
        self.reach = None if norm else near
        self.head = nn.Conv2d(shape[0] * fold**2, channels[0], 3, padding=1, bias=bias)
        self.stages = nn.ModuleList(
            blocks_of(wide, count, bias, norm, plain) for wide, count in zip(channels, blocks, strict=True)
        )
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2, bias=bias) for a, b in pairwise(channels))
        start(self, norm)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        # Without this norm the mean outweighs the content, and mask prediction learns nothing for a thousand steps.
        normalized = F.group_norm(x, 1, eps=1e-4) if self.norm else x
        folded = F.pixel_unshuffle(mirror_to(normalized, self.stride), self.fold)
        h = self.head(folded.contiguous(memory_format=torch.channels_last))
        skips = [x, h]
        for stage, down in zip(self.stages[:-1], self.downs, strict=True):
            skips.append(stage(h))
            h = down(skips[-1])
        return self.stages[-1](h), skips


@register
class UNetDecoder(nn.Module):
    """(N×channels[0]×h×w, skips) -> N×out×H×W, of the size of skips[0]; channels and blocks from coarse to fine.

    residual: the output is added to the image channels of x̃. predicts_mask: the last channel of `out` is the logit
    that a pixel is covered, and the image is x̃ + gain · (x̃ − ½) + offset: an overlay of opacity a and color c,
    x̃ = (1 − a) x + a c, is removed by a gain of a / (1 − a), which is smooth where x is not. The mask does not gate the
    image: a closed gate has no gradient, and most pixels are not covered.
    """

    def __init__(
        self,
        out: int,
        channels: Sequence[int] = (192, 96, 48),
        blocks: Sequence[int] = (1, 1),
        fold: int = 2,
        bias: bool = False,
        residual: bool = True,
        predicts_mask: bool = False,
        norm: bool = False,
        plain: bool = False,
    ) -> None:
        super().__init__()
        self.out, self.fold, self.residual, self.predicts_mask = out, fold, residual, predicts_mask
        stages = len(blocks)
        near = fold + sum(2 * count * fold * 2 ** (stages - 1 - stage) for stage, count in enumerate(blocks))
        self.reach = None if norm else near
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2, bias=bias) for a, b in pairwise(channels))
        self.stages = nn.ModuleList(
            blocks_of(wide, count, bias, norm, plain) for wide, count in zip(channels[1:], blocks, strict=True)
        )
        self.last = nn.Sequential(*normed(channels[-1])) if norm else nn.Identity()
        self.tail = nn.Conv2d(channels[-1], (out + predicts_mask) * fold**2, 3, padding=1, bias=bias)
        start(self, norm)
        with torch.no_grad():
            self.tail.weight.mul_(0.1)

    def forward(self, z: Tensor, skips: list[Tensor]) -> Tensor:
        return self.picture(self.grids(z, skips)[-1], skips)

    def grids(self, z: Tensor, skips: list[Tensor]) -> list[Tensor]:
        """The features of each stage, from coarse to fine: N×channels×h×w."""
        _, _, *others = skips
        grids = [z.contiguous(memory_format=torch.channels_last)]
        for up, stage in zip(self.ups, self.stages, strict=True):
            grids.append(stage(up(grids[-1]) + others.pop()))
        return grids

    def picture(self, h: Tensor, skips: list[Tensor]) -> Tensor:
        """N×out×H×W from the finest grid."""
        x, first = skips[:2]
        y = F.pixel_shuffle(self.tail(self.last(h + first)), self.fold)[..., : x.shape[-2], : x.shape[-1]]
        if self.predicts_mask:
            offset, gain, mask = y.split([self.out - 1, 1, 1], 1)
            own = x[:, : self.out - 1]
            gain = GAIN * torch.tanh(gain / GAIN)
            y = torch.cat([own + gain * (own - 0.5) + offset, mask], 1)  # gain about mid-gray
        elif self.residual:
            y = y + x[:, : self.out]
        return y.contiguous()
