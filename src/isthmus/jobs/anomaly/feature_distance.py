"""The objective of autoencoders of features: squared and cosine distance, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.objectives import Objective
from isthmus.registry import register


@register
class FeatureDistance(Objective):
    """At each position the mean over layers of the mean squared error and of 1 − the cosine between y and the target.

    channels: of each layer; layers of many channels weigh no more than others. The loss is half of the sum over the
    positions times the number of features, so that the squared part is the −log p of a Gaussian of σ = 1. The cosine
    tells a feature's direction, also where features are small.
    """

    likelihood = False

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__("free")
        self.layers = tuple(channels)

    def distances(self, y: Tensor, target: Tensor) -> Tensor:
        """N×h×w."""
        y, target = y.float(), target.float()
        each = [
            (mine - wanted).square().mean(1) + 1 - F.cosine_similarity(mine, wanted, 1)
            for mine, wanted in zip(y.split(self.layers, 1), target.split(self.layers, 1), strict=True)
        ]
        return torch.stack(each).mean(0)

    def loss(self, y: Tensor, target: Tensor, weight: Tensor | float = 1.0) -> Tensor:
        return self.distances(y, target).flatten(1).sum(1) * (sum(self.layers) / 2)
