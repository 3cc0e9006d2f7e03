"""The base class of bottlenecks, which hold the head from features to code and compute the penalty of the code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from isthmus.layers import activation, glorot, head
from isthmus.types import Code, Context, Shape


class Bottleneck(nn.Module):
    """Features h of `in_shape` -> a code of shape `code`, (K,) or (C, h, w), through one linear head.

    `pairs`: whether a component of PCA takes two units, one for each sign. `follows_progress`: whether ctx.progress is
    read. Declarations for isthmus.spec: `prior`, `discrete`, `discontinuous`, `active_above`, `compresses`, `any_size`.
    Hooks: start(batches of h) before the first step, after_step(sums) after each, join(losses of the codes of an item),
    trouble(means of an epoch, progress) after each epoch.
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
        """Initialize from features before the first step (k-means)."""

    @torch.no_grad()
    def start_linear(self, features: int, deviation: Tensor, residual: float) -> tuple[Tensor, Tensor]:
        """Initialize the head so that the code holds the principal components, as nearly as its activation allows.

        The input of the head is `features` numbers, which get weight 0, and then principal components of variance 1.
        deviation [components]: the standard deviation of each; residual: the mean variance per number outside of them.
        Returns weight [components, K] and bias [components] that map a code back to components.
        """
        components, count = len(deviation), self.code_shape[0]
        layer = next(layer for layer in self.head.modules() if isinstance(layer, nn.Linear))
        used = min(components, count // 2 if self.pairs else count)
        gain, rest, slope = self.linear_range()
        # The penalty or selection of a code of pairs depends on how much each unit adds to the image.
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
        """Gain, bias and slope with which the activation is nearly linear for numbers of variance 1."""
        if self.pairs:
            return 1.0, 0.0, 1.0
        ranges = {"sigmoid": (0.2, 0.0, 0.25), "tanh": (0.2, 0.0, 1.0)}
        straight = (1.0, 0.0 if self.activate == "none" else 5.0, 1.0)  # far from the kink of relu
        return ranges.get(self.activate, straight)

    def join(self, losses: Tensor) -> Tensor:
        """The loss of each item, [N], from those of its codes, N×draws."""
        return losses.mean(1)

    def trouble(self, row: Mapping[str, float], progress: float) -> str:
        """A sentence on a code that is of little use, with what to try; "" for any other.

        row: means of losses and statistics over an epoch, which ended at `progress` of the training.
        """
        return ""

    def after_step(self, sums: dict[str, Tensor]) -> None:
        """Update buffers that are not learned by gradient. sums: Code.sums, all-reduced over the global batch."""
