"""How far a code lies from the codes of good ones: what no map can show, because each part may be right by itself."""

from __future__ import annotations

import torch
from torch import Tensor

MOST = 20_000  # codes that are kept; of more, every n-th


class Mahalanobis:
    """The distance from the mean in units of how the good codes vary (Mahalanobis 1936); squared, N×K -> [N].

    The covariance is shrunk towards a sphere (Ledoit & Wolf 2004), so that few good ones suffice.
    """

    def __init__(self, mean: Tensor, precision: Tensor) -> None:
        self.mean, self.precision = mean, precision

    @classmethod
    def fit(cls, codes: Tensor) -> Mahalanobis:
        from sklearn.covariance import ledoit_wolf

        covariance, _ = ledoit_wolf(codes.double().numpy())
        return cls(codes.mean(0), torch.linalg.pinv(torch.from_numpy(covariance)).float())

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "precision": self.precision}

    def __call__(self, codes: Tensor) -> Tensor:
        away = codes - self.mean.to(codes)
        return ((away @ self.precision.to(codes)) * away).sum(1).clamp(min=0)


class Neighbours:
    """The mean squared distance to the nearest `k` good codes, N×K -> [N]."""

    def __init__(self, codes: Tensor, k: int = 1) -> None:
        self.codes, self.k = codes, k

    @classmethod
    def fit(cls, codes: Tensor, k: int = 1) -> Neighbours:
        return cls(codes[:: -(-len(codes) // MOST)].contiguous(), k)

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"codes": self.codes}

    def __call__(self, codes: Tensor) -> Tensor:
        k = min(self.k, len(self.codes))
        own = self.codes.to(codes)
        apart = codes.square().sum(1, keepdim=True) - 2 * codes @ own.T + own.square().sum(1)
        return apart.clamp(min=0).topk(k, dim=1, largest=False).values.mean(1)
