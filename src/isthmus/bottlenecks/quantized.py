"""Discrete codes: a grid of symbols from a learned codebook (VQ) or from a fixed lattice (FSQ)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from isthmus.bottlenecks.base import Bottleneck
from isthmus.errors import BadInput, at_least
from isthmus.layers import straight_through
from isthmus.registry import register
from isthmus.types import Code, Context, Noise, Shape, no_penalty

ENOUGH = 10  # features for each vector, from which the share of dead vectors is known
MOST_DEAD = 0.5  # share of the codebook that is no reason for a note


@register
class VQ(Bottleneck):
    """The nearest of `codes` vectors at each position of the code (van den Oord et al. 2017).

    code: (dim, *grid). The codebook is a buffer: it is initialized by k-means of the first features and then follows
    the mean of the features assigned to each vector (EMA, `decay`); the penalty is commitment · ‖z_e − e‖², summed.
    A vector whose running count falls below `revive` of the mean is reset to a feature of the last batch; otherwise
    40-90 % of a codebook dies.
    """

    discrete = True
    discontinuous = True
    codebook: Tensor
    counts: Tensor
    sums: Tensor
    recent: Tensor  # features of each vector since the last look at them

    def __init__(
        self,
        in_shape: Shape,
        code: Shape,
        codes: int = 512,
        commitment: float = 0.25,
        decay: float = 0.99,
        revive: float = 0.03,
    ) -> None:
        at_least("codes", codes, 2)
        super().__init__(in_shape, code)
        self.codes, self.commitment, self.decay, self.revive = codes, commitment, decay, revive
        book = torch.randn(codes, code[0]) / math.sqrt(code[0])
        self.register_buffer("codebook", book)
        self.register_buffer("counts", torch.ones(codes))
        self.register_buffer("sums", book.clone())
        self.register_buffer("recent", torch.zeros(codes), persistent=False)

    def _rows(self, z: Tensor) -> Tensor:
        """N×dim×grid -> (N·grid)×dim."""
        return z.flatten(2).transpose(1, 2).reshape(-1, z.shape[1])

    def nearest(self, rows: Tensor) -> Tensor:
        """M×dim -> M indices of the nearest vectors. ‖r‖² is the same for all vectors, so it is omitted."""
        return (self.codebook.square().sum(1) - 2 * rows @ self.codebook.T).argmin(1)

    def vectors(self, symbols: Tensor) -> Tensor:
        """N×grid symbols -> the code N×dim×grid."""
        return self.codebook[symbols].movedim(-1, 1)

    def forward(self, h: Tensor, ctx: Context) -> Code:
        continuous = self.head(h).float()
        rows = self._rows(continuous)
        indices = self.nearest(rows.detach())
        symbols = indices.view(h.shape[0], *continuous.shape[2:])
        z = self.vectors(symbols)
        distance = (continuous - z).square().flatten(1).sum(1)
        sums = self._sums(rows.detach(), indices, ctx.noise) if self.training and ctx.noise is not None else {}
        return Code(straight_through(z, continuous), self.commitment * distance, {}, symbols, sums)

    def _sums(self, rows: Tensor, indices: Tensor, noise: Noise) -> dict[str, Tensor]:
        """The count and sum of the features of each vector, and a random feature that may replace a dead vector."""
        counts = torch.bincount(indices, minlength=self.codes).float()
        totals = torch.zeros_like(self.sums).index_add_(0, indices, rows)
        positions, local = noise.positions(self.codes, each=len(rows) // (noise.rows.stop - noise.rows.start))
        spare = rows[positions.clamp(0, len(rows) - 1)] * local[:, None]
        return {"counts": counts, "totals": totals, "spare": spare}

    def start(self, batches: Iterable[Tensor]) -> None:
        from sklearn.cluster import KMeans

        with torch.no_grad():
            rows = torch.cat([self._rows(self.head(h).float()) for h in batches])[: 64 * self.codes]
        if len(rows) < self.codes:  # tiny data: every feature becomes a vector, the rest stay random
            self.codebook[: len(rows)] = rows
        else:
            means = KMeans(self.codes, n_init=1, max_iter=20, random_state=0).fit(rows.cpu().numpy())
            self.codebook.copy_(torch.from_numpy(means.cluster_centers_.astype(np.float32)))
        self.sums.copy_(self.codebook)
        self.counts.fill_(1)

    def after_step(self, sums: dict[str, Tensor]) -> None:
        self.recent += sums["counts"]
        self.counts.lerp_(sums["counts"], 1 - self.decay)
        self.sums.lerp_(sums["totals"], 1 - self.decay)
        mean = self.counts.mean()
        dead = self.counts < self.revive * mean
        self.counts[dead] = mean
        self.sums[dead] = sums["spare"][dead] * mean
        self.codebook.copy_(self.sums / self.counts.clamp(min=1e-6)[:, None])

    def trouble(self, row: Mapping[str, float], progress: float) -> str:
        if self.recent.sum() < ENOUGH * self.codes:
            return ""
        dead = float((self.recent == 0).float().mean())
        self.recent.zero_()
        if dead < MOST_DEAD:
            return ""
        tries = f"fewer codes than {self.codes}" + ("" if self.revive else ", or revive=0.03")
        return f"dead codes: {dead:.0%} of the codebook is the nearest to no feature; try {tries}"


@register
class FSQ(Bottleneck):
    """Finite scalar quantization: each of a few numbers rounded to one of its levels (Mentzer et al. 2023).

    There is no learned codebook and no penalty. code: (len(levels), *grid); `codes` = the product of levels.
    """

    discrete = True
    discontinuous = True
    radix: Tensor

    def __init__(self, in_shape: Shape, code: Shape, levels: Sequence[int] = (8, 8, 8)) -> None:
        if code[0] != len(levels):
            raise BadInput(f"a code of {code[0]} channels with {len(levels)} levels: FSQ takes one level per channel")
        at_least("the smallest of levels", min(levels), 2)
        super().__init__(in_shape, code)
        self.levels, self.codes = tuple(levels), math.prod(levels)
        self.register_buffer(
            "radix", torch.tensor([math.prod(levels[:i]) for i in range(len(levels))]), persistent=False
        )

    def _per_channel(self, values: Sequence[float] | Tensor, like: Tensor) -> Tensor:
        return torch.as_tensor(values, dtype=like.dtype, device=like.device).view(-1, *[1] * (like.dim() - 2))

    def vectors(self, symbols: Tensor) -> Tensor:
        """N×grid symbols -> the code N×dim×grid in [-1, 1]."""
        digits = [symbols // int(r) % level for r, level in zip(self.radix, self.levels, strict=True)]
        levels = zip(digits, self.levels, strict=True)
        return torch.stack([(digit - level // 2) / (level // 2) for digit, level in levels], dim=1)

    def forward(self, h: Tensor, ctx: Context) -> Code:
        continuous = self.head(h).float()
        levels = self._per_channel(self.levels, continuous)
        # An even number of levels is centered between two integers; the shift still maps 0 to 0.
        half = (levels - 1) * (1 + 1e-3) / 2
        offset = (levels + 1) % 2 / 2
        bounded = torch.tanh(continuous + torch.atanh(offset / half)) * half - offset
        width = levels // 2
        z = straight_through(bounded.round(), bounded) / width
        digits = (bounded.detach().round() + width).long()
        symbols = (digits * self._per_channel(self.radix, digits)).sum(1)
        return Code(z, no_penalty(z), {}, symbols)
