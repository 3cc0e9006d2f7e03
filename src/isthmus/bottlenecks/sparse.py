"""Sparse codes: many units, few of them active for any one item."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isthmus.bottlenecks.base import Bottleneck
from isthmus.errors import BadInput, at_least
from isthmus.registry import register
from isthmus.types import Code, Context, Shape, no_penalty


def _activity(z: Tensor) -> dict[str, Tensor]:
    return {"active_fraction": (z.detach() > 0).float().mean()}


@register
class L1(Bottleneck):
    """weight · ‖z‖₁."""

    active_above = 0.0
    compresses = False  # few units are active, however many there are; so it is with the other sparse codes
    pairs = True

    def __init__(self, in_shape: Shape, code: Shape, weight: float = 0.1, activate: str = "relu") -> None:
        super().__init__(in_shape, code, activate)
        self.weight = weight

    def forward(self, h: Tensor, ctx: Context) -> Code:
        z = self.head(h)
        return Code(z, self.weight * z.abs().flatten(1).sum(1), _activity(z))


@register
class RateKL(Bottleneck):
    """weight · Σ_j KL(rate ‖ mean activity of unit j), sigmoid units (Ng 2011).

    The mean activity is a running mean r over the data, not the mean of a batch; the penalty of an item is the tangent
    KL(r) + KL'(r)(z − r). Its batch mean has the gradient of the KL at r, and as a sum over items it does not depend on
    how a batch is split over micro-batches and machines.
    """

    active_above = 0.5
    compresses = False
    rates: Tensor

    def __init__(self, in_shape: Shape, code: Shape, weight: float = 1.0, rate: float = 0.05) -> None:
        if not 0 < rate < 1:
            raise BadInput(f"rate is {rate}: a share between 0 and 1 is accepted")
        super().__init__(in_shape, code, "sigmoid")
        self.weight, self.rate, self.any_size = weight, rate, False  # each position of the code has its own rate
        self.register_buffer("rates", torch.full(self.code_shape, 0.5))

    def forward(self, h: Tensor, ctx: Context) -> Code:
        z = self.head(h)
        r = self.rates.clamp(1e-4, 1 - 1e-4)
        kl = self.rate * (self.rate / r).log() + (1 - self.rate) * ((1 - self.rate) / (1 - r)).log()
        slope = (1 - self.rate) / (1 - r) - self.rate / r
        stats = {"mean_activation": z.detach().mean()}
        sums = {"activity": z.detach().float().sum(0), "items": torch.full((), z.shape[0], device=z.device)}
        return Code(z, self.weight * (kl + slope * (z - r)).flatten(1).sum(1), stats, sums=sums)

    def linear_range(self) -> tuple[float, float, float]:
        return 0.1, math.log(self.rate / (1 - self.rate)), self.rate * (1 - self.rate)  # as active as `rate`

    def after_step(self, sums: dict[str, Tensor]) -> None:
        self.rates.lerp_(sums["activity"] / sums["items"], 0.1)


@register
class TopK(Bottleneck):
    """Keep the k largest units of each item (Makhzani & Frey 2013).

    As in the paper, k falls from all units to its value over the first half of the training: with a small k from the
    start, most units would never be chosen, and a unit that is never chosen never learns.
    """

    active_above = 0.0
    compresses = False
    follows_progress = True
    discontinuous = True
    pairs = True

    def __init__(self, in_shape: Shape, code: Shape, k: int = 25) -> None:
        at_least("k", k, 1)
        super().__init__(in_shape, code, "relu")
        self.k = k

    def forward(self, h: Tensor, ctx: Context) -> Code:
        z = self.head(h)
        flat = z.flatten(1)
        still = max(0.0, 1 - 2 * ctx.progress)
        k = round(self.k + still * (flat.shape[1] - self.k)) if still else self.k
        k = torch.sym_min(flat.shape[1], k)  # a size may be symbolic during export
        values, indices = flat.topk(k, dim=1)
        z = torch.zeros_like(flat).scatter(1, indices, values).view_as(z)
        return Code(z, no_penalty(z), _activity(z))
