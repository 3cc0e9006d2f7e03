"""Distances of the patches of an image, N×K×h×w features at the positions of a grid, from those of normal images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

BANK, PER_IMAGE, CHUNK = 8000, 64, 1000  # patches of normal images: in the bank, drawn per image, compared at a time
SHARE, CANDIDATES, DIRECTIONS = 0.1, 60_000, 32  # of a coreset: of all patches; patches to choose from; dimensions
MOST_DIMENSIONS, MOST_NUMBERS = 128, 2**25  # of a covariance, and of those of all positions together
SHRINKAGE = 0.1  # of the mean variance, added to each: a few hundred images give no covariance of full rank


class PatchDistance:
    """The distance of each patch feature to the nearest one of normal images, N×K×h×w -> N×h×w (PatchCore, Roth et al.
    2022).

    It needs no alignment: a part may lie at any position and angle that occur in the training images. Each of the K
    features is standardized.
    """

    def __init__(self, bank: Tensor, mean: Tensor, spread: Tensor) -> None:
        self.bank, self.mean, self.spread = bank, mean, spread

    @classmethod
    def fit(cls, features: Iterable[Tensor], with_coreset: bool = False) -> PatchDistance:
        """with_coreset: the bank is chosen so that every patch is near one of it, not at random."""
        random = torch.Generator().manual_seed(0)
        sampled = []
        for x in features:
            rows = x.permute(0, 2, 3, 1).flatten(0, 2)
            drawn = len(rows) if with_coreset else PER_IMAGE * len(x)
            sampled.append(rows[torch.randperm(len(rows), generator=random)[:drawn]])
        rows = torch.cat(sampled)
        rows = rows[torch.randperm(len(rows), generator=random)[: CANDIDATES if with_coreset else BANK]]
        mean, spread = rows.mean(0), rows.std(0, correction=0) + 1e-6
        rows = (rows - mean) / spread
        return cls(coreset(rows, min(BANK, int(SHARE * len(rows)) + 1)) if with_coreset else rows, mean, spread)

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"bank": self.bank, "mean": self.mean, "spread": self.spread}

    def __call__(self, features: Tensor) -> Tensor:
        rows = (features.permute(0, 2, 3, 1) - self.mean.to(features)) / self.spread.to(features)
        near = [
            (chunk.square().sum(1) - 2 * rows @ chunk.T).amin(-1)
            for chunk in self.bank.to(features).split(CHUNK)  # the distances to the full bank do not fit into memory
        ]
        return (torch.stack(near).amin(0) + rows.square().sum(-1)).clamp(min=0).sqrt()


def coreset(rows: Tensor, count: int) -> Tensor:
    """`count` of the rows N×K, each the farthest from those before it (Sener & Savarese 2018), in random directions."""
    random = torch.Generator().manual_seed(0)
    low = rows @ torch.randn(rows.shape[1], DIRECTIONS, generator=random).to(rows) / DIRECTIONS**0.5
    squares = low.square().sum(1)
    chosen, near = [0], torch.full_like(squares, torch.inf)
    while len(chosen) < count:
        last = chosen[-1]
        near = torch.minimum(near, squares - 2 * (low @ low[last]) + squares[last])
        chosen.append(int(near.argmax()))
    return rows[chosen]


class PatchGaussian:
    """The Mahalanobis distance at each position from a Gaussian of its own (PaDiM, Defard et al. 2021), for images that
    are aligned: N×K×h×w -> N×h×w.

    projection: K×D, random orthogonal directions where K features are more than the covariances may have. mean: D×h×w.
    root: h·w×D×D, so that the distance is the length of (f − mean) · root.
    """

    def __init__(self, projection: Tensor, mean: Tensor, root: Tensor) -> None:
        self.projection, self.mean, self.root = projection, mean, root

    @classmethod
    def fit(cls, features: Iterable[Tensor]) -> PatchGaussian:
        projection = total = squares = torch.zeros(())
        count = 0
        for x in features:
            if not count:
                projection = directions(x.shape[1], x.shape[2] * x.shape[3])
            rows = torch.einsum("nkhw,kd->hwnd", x.float(), projection)
            rows = rows.flatten(0, 1)
            total, squares, count = total + rows.sum(1), squares + rows.transpose(1, 2) @ rows, count + x.shape[0]
            grid = x.shape[2:]
        mean = total / count
        covariance = squares / count - mean[:, :, None] * mean[:, None]
        variance = covariance.diagonal(dim1=1, dim2=2).mean()
        identity = torch.eye(covariance.shape[1])
        root = torch.linalg.cholesky(torch.linalg.inv(covariance + SHRINKAGE * variance * identity))
        return cls(projection, mean.T.unflatten(1, grid).contiguous(), root.half().contiguous())

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"projection": self.projection, "mean": self.mean, "root": self.root}

    def __call__(self, features: Tensor) -> Tensor:
        projected = torch.einsum("nkhw,kd->ndhw", features, self.projection.to(features)) - self.mean.to(features)
        rows = projected.flatten(2).permute(2, 0, 1)  # h·w×N×D
        lengths = (rows @ self.root.to(features)).square().sum(2).sqrt()
        return lengths.T.unflatten(1, features.shape[2:])


def directions(features: int, positions: int) -> Tensor:
    """K×D orthonormal columns; the identity where a covariance of all K features at each position is affordable."""
    most = min(features, MOST_DIMENSIONS, int((MOST_NUMBERS / positions) ** 0.5))
    if most == features:
        return torch.eye(features)
    random = torch.randn(features, features, generator=torch.Generator().manual_seed(0))
    return torch.linalg.qr(random)[0][:, :most].contiguous()


PATCH_DISTANCES: dict[str, Any] = {"features": PatchDistance, "gaussian": PatchGaussian}  # by the names of their scores
