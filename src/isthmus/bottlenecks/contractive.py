"""The contractive code, insensitive to small changes of the input (Rifai et al. 2011)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isthmus.bottlenecks.base import Bottleneck
from isthmus.registry import register
from isthmus.types import Code, Context, Shape, no_penalty


@register
class Contractive(Bottleneck):
    """weight · ‖∂z/∂x̃‖²_F.

    closed=True is for an encoder that only flattens: one sigmoid or ReLU layer, whose squared norm is
    Σ_j σ'_j² ‖W_j‖². Otherwise the norm is estimated with one random direction v per item, E‖vᵀJ‖² = ‖J‖²_F for
    v ~ N(0, I) (Hutchinson); without ctx.noise, the directions are drawn with seed 0.
    """

    def __init__(
        self,
        in_shape: Shape,
        code: Shape,
        weight: float = 0.1,
        activate: str = "sigmoid",
        closed: bool = False,
    ) -> None:
        super().__init__(in_shape, code, activate)
        self.weight, self.closed = weight, closed

    def forward(self, h: Tensor, ctx: Context) -> Code:
        z = self.head(h)
        if ctx.encode is None:  # inference: the penalty is not needed
            return Code(z, no_penalty(z))
        squared = self._closed(z) if self.closed else self._estimate(ctx)
        return Code(z, self.weight * squared, {"jacobian_squared": squared.detach().mean()})

    def _closed(self, z: Tensor) -> Tensor:
        slope = z * (1 - z) if self.activate == "sigmoid" else (z > 0).to(z.dtype)
        weight = next(layer.weight for layer in self.head.modules() if isinstance(layer, nn.Linear))
        return slope.square().flatten(1) @ weight.square().sum(1)

    def _estimate(self, ctx: Context) -> Tensor:
        assert ctx.x is not None
        assert ctx.encode is not None
        with torch.enable_grad(), torch.autocast(ctx.x.device.type, enabled=False):
            x = ctx.x.detach().float().requires_grad_()
            z = self.head(ctx.encode(x))
            if ctx.noise is not None:
                v = ctx.noise.normal(*z.shape[1:])
            else:
                v = torch.randn(z.shape, generator=torch.Generator().manual_seed(0)).to(z.device)
            (gradient,) = torch.autograd.grad((z * v).sum(), x, create_graph=self.training)
        return gradient.flatten(1).square().sum(1)
