"""The plain bottleneck: few numbers, or a small tensor, and no price but their number."""

from __future__ import annotations

from torch import Tensor

from isthmus.bottlenecks.base import Bottleneck, free
from isthmus.contracts import Code, Context
from isthmus.registry import register


@register
class Plain(Bottleneck):
    """z = activate(W h + b)."""

    def forward(self, h: Tensor, ctx: Context) -> Code:
        z = self.head(h)
        return Code(z, free(z))
