"""The plain bottleneck: a short vector or small tensor, without a penalty."""

from __future__ import annotations

from torch import Tensor, nn

from isthmus.bottlenecks.base import Bottleneck
from isthmus.registry import register
from isthmus.types import Code, Context, Shape, no_penalty


@register
class Plain(Bottleneck):
    """z = activate(W h + b)."""

    def __init__(self, in_shape: Shape, code: Shape, activate: str = "none") -> None:
        super().__init__(in_shape, code, activate)
        self.active_above = 0.0 if activate == "relu" else None

    def forward(self, h: Tensor, ctx: Context) -> Code:
        z = self.head(h)
        return Code(z, no_penalty(z))


@register
class Identity(Bottleneck):
    """z = h: no code of its own, for networks whose skips would bypass one."""

    compresses = False

    def __init__(self, in_shape: Shape) -> None:
        nn.Module.__init__(self)  # without a head
        self.code_shape = tuple(in_shape)
        self.any_size = True

    def forward(self, h: Tensor, ctx: Context) -> Code:
        return Code(h, no_penalty(h))
