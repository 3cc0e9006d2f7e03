"""Features of an image as one grid: the layers of a frozen network, resampled, joined and standardized."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.errors import BadInput
from isthmus.features.base import FrozenFeatures
from isthmus.media.color_spaces import LUMA
from isthmus.registry import register
from isthmus.types import Shape, times

LEAST_STD = 1e-4  # a feature that is constant over the training images stays near 0


@register
class FeatureGrid(nn.Module):
    """N×C×H×W in [0, 1] -> N×K×h×w, each of the K features with mean 0 and standard deviation 1 on training images.

    features: a frozen network (isthmus.features.find_features) that returns layers N×K_i×h_i×w_i. channels: K_i of each
    layer. grid: (h, w). A finer layer is averaged to it, a coarser one interpolated. mean and std are fitted by `fit`.
    """

    def __init__(self, features: FrozenFeatures, channels: Sequence[int], grid: Sequence[int]) -> None:
        super().__init__()
        self.features, self.channels, self.grid = features, tuple(channels), (int(grid[0]), int(grid[1]))
        self.out_shape: Shape = (sum(self.channels), *self.grid)
        self.register_buffer("mean", torch.zeros(self.out_shape[0], 1, 1))
        self.register_buffer("std", torch.ones(self.out_shape[0], 1, 1))
        self.mean: Tensor
        self.std: Tensor
        self.requires_grad_(False)

    @classmethod
    @torch.no_grad()
    def of(cls, features: FrozenFeatures, shape: Shape, side: int = 0) -> FeatureGrid:
        """For images of `shape`. side: of the grid; 0 for that of the coarsest layer.

        Raises BadInput for a network that does not give layers of images of that shape.
        """
        layers = features(of_channels(torch.zeros(1, *shape), features))
        if any(layer.dim() != 4 or min(layer.shape[2:]) < 2 for layer in layers):
            found = ", ".join(times(layer.shape) for layer in layers)
            raise BadInput(
                f"features of an image of {times(shape)}: {found}; layers of 2×2 and more positions are accepted"
            )
        coarsest = min((layer.shape[2:] for layer in layers), key=lambda sides: sides[0] * sides[1])
        return cls(features, [layer.shape[1] for layer in layers], (side, side) if side else coarsest)

    def train(self, mode: bool = True) -> FeatureGrid:
        """The network is frozen: it stays in evaluation mode."""
        return super().train(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.standardized(self.raw(x))

    def raw(self, x: Tensor) -> Tensor:
        """The features before standardization, for `fit` and to be kept."""
        return torch.cat([self._resampled(layer.float()) for layer in self.features(of_channels(x, self.features))], 1)

    def standardized(self, raw: Tensor) -> Tensor:
        return (raw - self.mean) / self.std

    @torch.no_grad()
    def fit(self, raw: Iterable[Tensor]) -> None:
        """Set mean and std to those of raw features N×K×h×w."""
        total = squares = torch.zeros(self.out_shape[0], dtype=torch.float64, device=self.mean.device)
        count = 0
        for batch in raw:
            wide = batch.double().transpose(0, 1).flatten(1)
            total, squares, count = total + wide.sum(1), squares + wide.square().sum(1), count + wide.shape[1]
        mean = total / count
        self.mean.copy_(mean.view_as(self.mean))
        self.std.copy_((squares / count - mean.square()).clamp(min=0).sqrt().view_as(self.std))
        self.std.clamp_(min=LEAST_STD)

    def _resampled(self, layer: Tensor) -> Tensor:
        down = [size // side for size, side in zip(layer.shape[2:], self.grid, strict=True)]
        if min(down) > 1 and tuple(layer.shape[2:]) == tuple(k * side for k, side in zip(down, self.grid, strict=True)):
            return F.avg_pool2d(layer, down)
        if tuple(layer.shape[2:]) == self.grid:
            return layer
        return F.interpolate(layer, self.grid, mode="bilinear", antialias=min(down) > 1)


def of_channels(x: Tensor, features: FrozenFeatures) -> Tensor:
    """x with as many channels as the network takes (its attribute `channels`): gray repeated, colors as luma."""
    wanted = features.channels
    if x.shape[1] == wanted:
        return x
    if x.shape[1] == 1:
        return x.expand(-1, wanted, -1, -1)
    if x.shape[1] == 3 and wanted == 1:
        return (x * x.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    raise BadInput(f"features: the network takes {wanted} channels, and these images have {x.shape[1]}")
