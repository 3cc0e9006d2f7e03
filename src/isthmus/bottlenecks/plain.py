"""The plain bottleneck: few numbers, or a small tensor, and no price but their number."""

from __future__ import annotations

from torch import Tensor

from isthmus.bottlenecks.base import Bottleneck, free
from isthmus.contracts import Code, Context, Shape
from isthmus.registry import register


@register
class Plain(Bottleneck):
    """z = activate(W h + b)."""

    def __init__(self, in_shape: Shape, code: Shape, activate: str = "none") -> None:
        super().__init__(in_shape, code, activate)
        self.active_above = 0.0 if activate == "relu" else None

    def forward(self, h: Tensor, ctx: Context) -> Code:
        z = self.head(h)
        return Code(z, free(z))
