"""What every bottleneck is: it owns the head from features to code, and says what the code costs."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from isthmus.contracts import Code, Context, Shape
from isthmus.layers import activation, glorot, head


class Bottleneck(nn.Module):
    """Base: features h of `in_shape` -> a code of shape `code` (K,) or (C, h, w) through one linear head.

    `prior` names where new codes come from: "normal" where the penalty pulls codes to N(0, I), else None.
    `discrete` is true where a code is a grid of symbols. `active_above` is the value from which a unit counts as at
    work, where units can be silent. `narrow` is false where there is no strip. `follows_progress` is true where
    ctx.progress is read. Two hooks may be overridden,
    and no others: start(batches of h) before the first step, after_step(sums) after each.
    """

    prior: str | None = None
    discrete = False
    narrow = True
    active_above: float | None = None
    follows_progress = False

    def __init__(self, in_shape: Shape, code: Shape, activate: str = "none", parameters: int = 1) -> None:
        super().__init__()
        self.code_shape: Shape = tuple(code)
        self.any_size = len(in_shape) > 1 and tuple(in_shape[1:]) == self.code_shape[1:]
        self.head = nn.Sequential(head(tuple(in_shape), (parameters * code[0], *code[1:])), activation(activate))
        glorot(self)

    def forward(self, h: Tensor, ctx: Context) -> Code:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def start(self, batches: Iterable[Tensor]) -> None:
        """Look at features before the first step (k-means)."""

    def after_step(self, sums: dict[str, Tensor]) -> None:
        """Update what is not learned by gradient. sums: those of the step's codes, over the whole global batch."""


def free(z: Tensor) -> Tensor:
    """A penalty of nothing, [N]."""
    return z.new_zeros(z.shape[0])
