"""What every bottleneck is: it owns the head from features to code, and says what the code costs."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from isthmus.layers import activation, glorot, head
from isthmus.types import Code, Context, Shape


class Bottleneck(nn.Module):
    """Base: features h of `in_shape` -> a code of shape `code` (K,) or (C, h, w) through one linear head.

    `pairs` is true where a component of PCA takes two units, one for each sign.
    Declarations for isthmus.spec: `prior`, `discrete`, `discontinuous`, `active_above`, `compresses`, `any_size`.
    `follows_progress` is true where ctx.progress is read. Two hooks may be overridden, and no others: start(batches of
    h) before the first step, after_step(sums) after each.
    """

    prior: str | None = None
    discrete = False
    compresses = True
    active_above: float | None = None
    follows_progress = False
    discontinuous = False
    pairs = False

    def __init__(self, in_shape: Shape, code: Shape, activate: str = "none", parameters: int = 1) -> None:
        super().__init__()
        self.code_shape: Shape = tuple(code)
        self.any_size = len(in_shape) > 1 and tuple(in_shape[1:]) == self.code_shape[1:]
        self.activate = activate
        self.head = nn.Sequential(head(tuple(in_shape), (parameters * code[0], *code[1:])), activation(activate))
        glorot(self)

    def forward(self, h: Tensor, ctx: Context) -> Code:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def start(self, batches: Iterable[Tensor]) -> None:
        """Look at features before the first step (k-means)."""

    @torch.no_grad()
    def start_linear(self, features: int, deviation: Tensor, residual: float) -> tuple[Tensor, Tensor]:
        """Make the code say what PCA's says, as nearly as its activation allows.

        The head's input is `features` numbers, which count for nothing at first, and then principal components of
        variance 1. deviation [components]: of the items along each; residual: the variance of one number that all of
        them leave. Returns weight [components, K] and bias [components] that turn a code back into components.
        """
        components, count = len(deviation), self.code_shape[0]
        layer = next(layer for layer in self.head.modules() if isinstance(layer, nn.Linear))
        used = min(components, count // 2 if self.pairs else count)
        gain, rest, slope = self.linear_range()
        # A code of pairs is priced, or chosen from, by how much each unit adds to the picture.
        size = deviation[:used].clamp_min(1e-6) if self.pairs else torch.full_like(deviation[:used], gain)
        forth, back = layer.weight.new_zeros(count, components), layer.weight.new_zeros(components, count)
        forth[:used, :used], back[:used, :used] = size.diag(), (1 / (size * slope)).diag()
        if self.pairs:
            forth[used : 2 * used, :used], back[:used, used : 2 * used] = -size.diag(), -(1 / size).diag()
        layer.weight.zero_()
        layer.weight[:count, features:] = forth
        layer.bias.zero_()
        layer.bias[:count] = rest
        level = float(self.head[1](torch.tensor(rest)))
        return back, -level * back.sum(1)

    def linear_range(self) -> tuple[float, float, float]:
        """gain, bias and slope with which the activation is all but a straight line for numbers of variance 1."""
        if self.pairs:
            return 1.0, 0.0, 1.0
        ranges = {"sigmoid": (0.2, 0.0, 0.25), "tanh": (0.2, 0.0, 1.0)}
        straight = (1.0, 0.0 if self.activate == "none" else 5.0, 1.0)  # far from the bend of relu and its kin
        return ranges.get(self.activate, straight)

    def after_step(self, sums: dict[str, Tensor]) -> None:
        """Update what is not learned by gradient. sums: those of the step's codes, over the whole global batch."""


def no_penalty(z: Tensor) -> Tensor:
    """A penalty of nothing, [N]."""
    return z.new_zeros(z.shape[0])
