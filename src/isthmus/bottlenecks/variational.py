"""The variational code: a Gaussian, penalized by its KL divergence from N(0, I) (Kingma & Welling 2014)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from isthmus.bottlenecks.base import Bottleneck
from isthmus.errors import BadInput, at_least
from isthmus.registry import register
from isthmus.types import Code, Context, Shape

COLLAPSED = 0.5  # nats, less than a bit of an item


WEAK = 0.01  # a beta below which the codes of all items together are not near to N(0, I)


@register
class Variational(Bottleneck):
    """z = μ + σ ε, penalty β · KL(N(μ, σ²) ‖ N(0, I)) in nats; without noise z is the mean.

    beta: 1 is the true ELBO, more is the β-VAE (Higgins et al. 2017). warmup: share of the training over which β
    rises from 0 (Bowman et al. 2016), so that units do not collapse to the prior before the decoder uses them.
    samples: codes drawn for each item; more than one give the importance-weighted bound (Burda et al. 2016),
    −log mean p(x|z)p(z)/q(z|x), which is nearer to −log p(x). Raises BadInput for it with another beta than 1.
    """

    def __init__(self, in_shape: Shape, code: Shape, beta: float = 1.0, warmup: float = 0.0, samples: int = 1) -> None:
        at_least("beta", beta, 0)
        at_least("samples", samples, 1)
        if samples > 1 and beta != 1:
            raise BadInput(f"samples={samples}: a bound of log p(x) has beta=1, not {beta:g}; samples=1 takes any beta")
        super().__init__(in_shape, code, parameters=2)
        self.prior = "normal" if beta >= WEAK else None
        self.beta, self.warmup, self.follows_progress, self.samples = beta, warmup, warmup > 0, samples

    def forward(self, h: Tensor, ctx: Context) -> Code:
        mean, log_variance = self.head(h).float().chunk(2, dim=1)
        log_variance = log_variance.clamp(-20, 10)  # so that exp() stays finite for any input
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).flatten(1).sum(1)
        beta = self.beta * min(1.0, ctx.progress / self.warmup) if self.warmup else self.beta
        stats = {"kl_nats": kl.detach()}
        if ctx.noise is None:
            return Code(mean, beta * kl, stats)
        draws, drawn = ctx.draws or self.samples, ctx.draws is not None
        noise = ctx.noise.normal(draws, *mean.shape[1:])
        z = mean[:, None] + torch.exp(0.5 * log_variance)[:, None] * noise
        if draws > 1 or drawn:  # log q(z|x) − log p(z) of each code; its mean over q is the KL divergence
            kl = 0.5 * (z.square() - noise.square() - log_variance[:, None]).flatten(2).sum(2).flatten()
        return Code(z.flatten(0, 1), kl if drawn else beta * kl, stats, draws=draws)

    def join(self, losses: Tensor) -> Tensor:
        """The importance-weighted bound; while beta rises from 0, of the tempered weights."""
        return math.log(losses.shape[1]) - torch.logsumexp(-losses, 1)

    def trouble(self, row: Mapping[str, float], progress: float) -> str:
        nats = row.get("kl_nats", math.inf)
        if nats > COLLAPSED or progress <= self.warmup:
            return ""
        tries = "a smaller beta, a longer beta_warmup or a smaller decoder"
        return f"posterior collapse: the code holds {nats:.2g} nats of an item; try {tries}"

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
