"""Distances of an item from normal items: global anomalies that no map shows, because each part is normal by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

MAX_CODES = 20_000  # codes in the memory of a nearest-neighbor search; of more, every n-th
MIN_COLUMN_STD = 0.02  # of the range of a column, so that a nearly constant column does not dominate
MIN_LOG_STD = 0.1  # of log statistics: 10 % more brightness is never far, however alike the normal images are
STATISTICS = "glance"  # name of ImageStatistics among the distances, and its key in the file


class Mahalanobis:
    """The squared distance from the mean under the covariance of normal codes or rows (Mahalanobis 1936), N×K -> [N].

    The covariance is shrunk toward a sphere (Ledoit & Wolf 2004), so that few normal items suffice.
    """

    def __init__(self, mean: Tensor, precision: Tensor, count: int = 0) -> None:
        self.mean, self.precision, self.count = mean, precision, count

    @classmethod
    def fit(cls, codes: Tensor) -> Mahalanobis:
        from sklearn.covariance import ledoit_wolf

        covariance, _ = ledoit_wolf(codes.double().numpy())
        return cls(codes.mean(0), torch.linalg.pinv(torch.from_numpy(covariance)).float(), len(codes))

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "precision": self.precision}

    def __call__(self, codes: Tensor) -> Tensor:
        deviation = codes - self.mean.to(codes)
        return ((deviation @ self.precision.to(codes)) * deviation).sum(1).clamp(min=0)

    def leave_one_out(self, codes: Tensor) -> Tensor:
        """The distances of the fitted codes, each from all others (Sherman & Morrison 1950)."""
        squared, others = self(codes), max(1, self.count - 1)
        return squared * (self.count / others) / (1 - squared / others).clamp(min=0.5 / others)


class Deviation:
    """The mean squared z-score of the columns, N×D -> [N].

    It detects a row whose columns are all extreme in proportion: such a row breaks no relation that a network or a
    covariance has learned.
    """

    def __init__(self, mean: Tensor, spread: Tensor) -> None:
        self.mean, self.spread = mean, spread

    @classmethod
    def fit(cls, rows: Tensor) -> Deviation:
        return cls(rows.mean(0), rows.std(0, correction=0).clamp(min=MIN_COLUMN_STD))

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "spread": self.spread}

    def __call__(self, rows: Tensor) -> Tensor:
        return ((rows - self.mean.to(rows)) / self.spread.to(rows)).square().mean(1)

    def leave_one_out(self, rows: Tensor) -> Tensor:
        """The distances of the fitted rows; a single row hardly changes the mean and the spread of a column."""
        return self(rows)


ROW_DISTANCES: dict[str, Any] = {"covariance": Mahalanobis, "deviation": Deviation}


class NearestNeighbors:
    """The mean squared distance to the nearest `k` normal codes, N×K -> [N]."""

    def __init__(self, codes: Tensor, k: int = 1) -> None:
        self.codes, self.k = codes, k

    @classmethod
    def fit(cls, codes: Tensor, k: int = 1) -> NearestNeighbors:
        return cls(codes[:: -(-len(codes) // MAX_CODES)].contiguous(), k)

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"codes": self.codes}

    def __call__(self, codes: Tensor) -> Tensor:
        return self.nearest(codes, self.k).mean(1)

    def leave_one_out(self, codes: Tensor) -> Tensor:
        """The distances of the fitted codes, each from all others."""
        return self.nearest(codes, self.k + 1)[:, 1:].mean(1) if len(self.codes) > 1 else self(codes)

    def nearest(self, codes: Tensor, k: int) -> Tensor:
        """N×k, the squared distances, ascending."""
        normal = self.codes.to(codes)
        squared = codes.square().sum(1, keepdim=True) - 2 * codes @ normal.T + normal.square().sum(1)
        return squared.clamp(min=0).topk(min(k, len(normal)), dim=1, largest=False).values


class ImageStatistics:
    """The largest |z-score| of global image statistics, N×C×H×W in [0, 1] -> [N]: the logarithms of brightness (mean),
    contrast (standard deviation) and detail (mean absolute gradient).

    It detects images that are out of distribution (noise, a lens cap), in which a network trained to find defects of a
    part may find none.
    """

    def __init__(self, mean: Tensor, spread: Tensor) -> None:
        self.mean, self.spread = mean, spread

    @classmethod
    def fit(cls, batches: Iterable[Tensor], roi: Tensor | None = None) -> ImageStatistics:
        statistics = torch.cat([image_statistics(x, roi) for x in batches])
        return cls(statistics.mean(0), statistics.std(0, correction=0).clamp(min=MIN_LOG_STD))

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "spread": self.spread}

    def __call__(self, x: Tensor, roi: Tensor | None = None) -> Tensor:
        return ((image_statistics(x, roi) - self.mean.to(x)) / self.spread.to(x)).abs().amax(1)


def image_statistics(x: Tensor, roi: Tensor | None = None) -> Tensor:
    """N×3, the logarithms of brightness, contrast and detail where roi, H×W, is 1."""
    inside = torch.ones_like(x[0, 0]) if roi is None else roi.to(x)

    def mean(values: Tensor, counts: Tensor) -> Tensor:
        return (values * counts).sum((2, 3)).mean(1) / counts.sum().clamp(min=1)

    brightness = mean(x, inside)
    contrast = mean((x - brightness.view(-1, 1, 1, 1)).square(), inside).sqrt()
    across = mean((x[..., 1:] - x[..., :-1]).abs(), inside[:, 1:] * inside[:, :-1])
    down = mean((x[..., 1:, :] - x[..., :-1, :]).abs(), inside[1:] * inside[:-1])
    return torch.stack([brightness, contrast, across + down], 1).add(1e-3).log()
