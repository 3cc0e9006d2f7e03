"""A linear path parallel to a network, initialized by PCA, so that a model of few items is never worse than PCA."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.registry import register
from isthmus.types import Shape


@register
class LinearPathEncoder(nn.Module):
    """N×shape -> N×(F + components): the F features of `net`, and the principal components, scaled to variance 1.

    mean and basis are buffers, fitted once before the first step. net: None for the components only.
    """

    any_size = False
    fitted_start = True  # start() sets it to PCA
    mean: Tensor
    basis: Tensor

    def __init__(self, shape: Shape, components: int, net: nn.Module | None = None) -> None:
        super().__init__()
        self.net, self.components = net, int(components)
        self.features = 0 if net is None else math.prod(net.out_shape)  # type: ignore[arg-type]
        self.out_shape: Shape = (self.features + self.components,)
        self.register_buffer("mean", torch.zeros(math.prod(shape)))
        self.register_buffer("basis", torch.zeros(self.components, math.prod(shape)))

    def forward(self, x: Tensor) -> Tensor:
        along = (x.flatten(1) - self.mean) @ self.basis.T
        return along if self.net is None else torch.cat([self.net(x).flatten(1), along], 1)

    def start(self, principal: Principal) -> None:
        self.mean.copy_(principal.mean)
        self.basis.copy_(principal.basis)


@register
class LinearPathDecoder(nn.Module):
    """N×code_shape -> N×out_shape: mean + mix(z) @ directions + net(z); mix gives principal components."""

    mean: Tensor
    directions: Tensor

    def __init__(self, code_shape: Shape, out_shape: Shape, components: int, net: nn.Module | None = None) -> None:
        super().__init__()
        self.net, self.code_shape, self.out_shape = net, tuple(code_shape), tuple(out_shape)
        self.mix = nn.Linear(math.prod(code_shape), int(components))
        self.register_buffer("mean", torch.zeros(math.prod(out_shape)))
        self.register_buffer("directions", torch.zeros(int(components), math.prod(out_shape)))

    def forward(self, z: Tensor) -> Tensor:
        y = (self.mean + self.mix(z.flatten(1).contiguous()) @ self.directions).unflatten(1, self.out_shape)
        if self.net is None:
            return y
        nonlinear = self.net(z)  # its size is a multiple of its stride
        return y + (nonlinear[..., : y.shape[-2], : y.shape[-1]] if y.dim() == 4 else nonlinear)

    def start(self, principal: Principal, weight: Tensor, bias: Tensor) -> None:
        """weight, bias: from a code to components. The last layer of the network starts at zero."""
        self.mean.copy_(principal.mean)
        self.directions.copy_(principal.directions)
        self.mix.weight.copy_(weight)
        self.mix.bias.copy_(bias)
        if self.net is not None:
            layers = [layer for layer in self.net.modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
            for parameter in layers[-1].parameters():
                parameter.zero_()


class Principal:
    """PCA of N×shape: mean [D], the standard deviation of each component [K], and its scaled direction [K, D].

    basis [K, D] maps a centered item to components of variance 1. residual: the mean variance per number outside the
    components, the noise of probabilistic PCA (Tipping & Bishop 1999). known: the numerical rank, at most K;
    components beyond it are zero.
    """

    def __init__(self, items: Tensor, components: int) -> None:
        flat = items.flatten(1).float()
        count, size = flat.shape
        self.mean = flat.mean(0)
        centered = flat - self.mean
        deviation, axes = leading_axes(centered, min(components, count - 1, size))
        self.known = known = int((deviation > 1e-6).sum())
        deviation, axes = deviation[:known], axes[:known]
        self.deviation = F.pad(deviation, (0, components - known))
        self.directions = F.pad(axes * deviation[:, None], (0, 0, 0, components - known))
        self.basis = F.pad(axes / deviation[:, None], (0, 0, 0, components - known))
        left = centered.square().sum(1).mean() - deviation.square().sum()
        self.residual = max(float(left) / max(1, size - known), 1e-6)

    def rebuilt(self, items: Tensor) -> Tensor:
        """The reconstruction of N×shape from its components, N×D."""
        return self.mean + (items.flatten(1) - self.mean) @ self.basis.T @ self.directions


def leading_axes(centered: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The `rank` largest standard deviations [K] of centered N×D, and their axes [K, D]."""
    if rank < 1:
        return centered.new_zeros(0), centered.new_zeros(0, centered.shape[1])
    least = min(centered.shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if least <= 512 or 4 * rank > least:
            axes = torch.linalg.svd(centered, full_matrices=False)[2][:rank]
        else:  # random projections: a hundredth of the time, and as exact for the decaying spectra of images
            axes = torch.svd_lowrank(centered, q=rank + 16, niter=6)[2].T[:rank]
    return (centered @ axes.T).square().mean(0).sqrt(), axes
