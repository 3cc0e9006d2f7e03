"""The variational code: a Gaussian, penalized by its KL divergence from N(0, I) (Kingma & Welling 2014)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isthmus.bottlenecks.base import Bottleneck
from isthmus.errors import at_least
from isthmus.registry import register
from isthmus.types import Code, Context, Shape


@register
class Variational(Bottleneck):
    """z = μ + σ ε, penalty β · KL(N(μ, σ²) ‖ N(0, I)) in nats; without noise z is the mean.

    beta: 1 is the true ELBO, more is the β-VAE (Higgins et al. 2017). warmup: share of the training over which β
    rises from 0 (Bowman et al. 2016), so that units do not collapse to the prior before the decoder uses them.
    """

    prior = "normal"

    def __init__(self, in_shape: Shape, code: Shape, beta: float = 1.0, warmup: float = 0.0) -> None:
        at_least("beta", beta, 0)
        super().__init__(in_shape, code, parameters=2)
        self.beta, self.warmup, self.follows_progress = beta, warmup, warmup > 0

    def forward(self, h: Tensor, ctx: Context) -> Code:
        mean, log_variance = self.head(h).float().chunk(2, dim=1)
        log_variance = log_variance.clamp(-20, 10)  # so that exp() stays finite for any input
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).flatten(1).sum(1)
        beta = self.beta * min(1.0, ctx.progress / self.warmup) if self.warmup else self.beta
        z = mean
        if ctx.noise is not None:
            z = mean + torch.exp(0.5 * log_variance) * ctx.noise.normal(*mean.shape[1:])
        return Code(z, beta * kl, {"kl_nats": kl.detach()})

    @torch.no_grad()
    def start_linear(self, features: int, deviation: Tensor, residual: float) -> tuple[Tensor, Tensor]:
        """The posterior of probabilistic PCA, the optimum of a linear VAE (Lucas et al. 2019)."""
        back, bias = super().start_linear(features, deviation, residual)
        layer = next(layer for layer in self.head.modules() if isinstance(layer, nn.Linear))
        used = min(len(deviation), self.code_shape[0])
        noise = (residual / (deviation[:used].square() + residual)).clamp(1e-6, 1)  # its share of each component
        kept = (1 - noise).clamp_min(1e-6).sqrt()
        layer.weight[:used] *= kept[:, None]
        layer.bias[self.code_shape[0] : self.code_shape[0] + used] = noise.log()
        back[:used, :used] *= kept
        return back, bias
