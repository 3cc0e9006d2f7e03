"""N(0, I), the prior of a VAE."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isthmus.priors.base import Prior
from isthmus.priors.draws import Draws
from isthmus.registry import register


@register
class Normal(Prior):
    """N(0, I) over codes as they are, without the statistics of any data; labels make no difference."""

    name = "normal"

    @torch.no_grad()
    def fit(self, codes: Tensor, labels: Tensor | None = None) -> None:
        """Check codes N×shape and measure the shares of labels [N]; the distribution stays N(0, I)."""
        super().fit(codes, labels)
        self.mean.zero_()
        self.std.fill_(1)

    def sample(self, draws: Draws, labels: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        self.drawn_labels(draws, labels)
        return draws.normal(*self.shape) * temperature

    def log_prob(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        z = codes.flatten(1)
        return -0.5 * (z.square().sum(1) + z.shape[1] * math.log(2 * math.pi))
