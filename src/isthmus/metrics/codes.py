"""Metrics of codes: active units, codebook use, norm of the encoder's Jacobian, angles between subspaces."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def active_units(means: Tensor) -> int:
    """Units of a variational code N×K whose mean varies over the data by more than .01 (Burda et al. 2016)."""
    return int((means.flatten(1).var(0) > 0.01).sum())


def perplexity(count: Tensor) -> tuple[float, float]:
    """(fraction of the symbols in use, perplexity: exp of the entropy of their use) from the count of each symbol."""
    share = count.double() / count.sum()
    entropy = -(share[share > 0] * share[share > 0].log()).sum()
    return float((share > 0).double().mean()), float(entropy.exp())


def jacobian_norm(encode: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """‖∂z/∂x‖_F of each of the N items, exact: one backward pass per unit of the code."""
    x = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        z = encode(x).flatten(1)
        total = x.new_zeros(len(x))
        for unit in range(z.shape[1]):
            (row,) = torch.autograd.grad(z[:, unit].sum(), x, retain_graph=True)
            total += row.flatten(1).square().sum(1)
    return total.sqrt()


def subspace_angles(a: Tensor, b: Tensor) -> Tensor:
    """Principal angles in degrees, largest first, between the columns of D×K and D×L (Björck & Golub 1973)."""
    qa, qb = torch.linalg.qr(a.double())[0], torch.linalg.qr(b.double())[0]
    if qa.shape[1] < qb.shape[1]:
        qa, qb = qb, qa
    # The sine, from the residual of one subspace after projection on the other, is exact where cosines are not.
    sines = torch.linalg.svdvals(qb - qa @ (qa.T @ qb)).clamp(max=1)
    return torch.rad2deg(torch.asin(sines))
