"""A code of bits."""

from __future__ import annotations

from torch import Tensor

from isthmus.bottlenecks import Bottleneck
from isthmus.layers import straight_through
from isthmus.registry import register
from isthmus.types import Code, Context, Shape


@register
class Bits(Bottleneck):
    """z = sign(W h + b), -1 or 1, with the gradient of tanh (binarized networks: Courbariaux et al. 2016)."""

    discrete = True
    discontinuous = True
    codes = 2  # symbols that each place of the code can be

    def __init__(self, in_shape: Shape, code: Shape) -> None:
        super().__init__(in_shape, code)

    def forward(self, h: Tensor, ctx: Context) -> Code:
        logits = self.head(h)
        symbols = (logits > 0).long()
        z = straight_through(self.vectors(symbols), logits.tanh())
        return Code(z, z.new_zeros(len(z)), symbols=symbols)

    def vectors(self, symbols: Tensor) -> Tensor:
        """0 and 1 as the numbers that the decoder reads."""
        return 2.0 * symbols - 1
