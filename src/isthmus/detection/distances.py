"""How far an item lies from good ones as a whole: what no map can show, because each part may be right by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

MOST = 20_000  # codes that are kept; of more, every n-th
PLACES, EACH, PART = 8000, 64, 1000  # places of normal pictures: kept, of each picture, compared at a time
STEADY = 0.02  # of the range of a column: one that hardly ever moves counts as if it moved by so much
LEAST = 0.1  # of a standard deviation: a tenth brighter is never far, however alike the good ones are


class Mahalanobis:
    """The distance from the mean in units of how good codes, or rows, vary (Mahalanobis 1936); squared, N×K -> [N].

    The covariance is shrunk towards a sphere (Ledoit & Wolf 2004), so that few good ones suffice.
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
        away = codes - self.mean.to(codes)
        return ((away @ self.precision.to(codes)) * away).sum(1).clamp(min=0)

    def left_out(self, codes: Tensor) -> Tensor:
        """The same of codes that it was fitted on, each as if it had not been among them (Sherman & Morrison 1950)."""
        squared, others = self(codes), max(1, self.count - 1)
        return squared * (self.count / others) / (1 - squared / others).clamp(min=0.5 / others)


class Deviation:
    """The mean squared z-score of the columns, N×D -> [N]: how far out each is by itself.

    A row that is more of the same than normal ones ever are breaks no relation that a net or a covariance knows.
    """

    def __init__(self, mean: Tensor, spread: Tensor) -> None:
        self.mean, self.spread = mean, spread

    @classmethod
    def fit(cls, rows: Tensor) -> Deviation:
        return cls(rows.mean(0), rows.std(0, correction=0).clamp(min=STEADY))

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "spread": self.spread}

    def __call__(self, rows: Tensor) -> Tensor:
        return ((rows - self.mean.to(rows)) / self.spread.to(rows)).square().mean(1)

    def left_out(self, rows: Tensor) -> Tensor:
        """The same: a single row hardly moves the mean and the spread of a column."""
        return self(rows)


OF_ROWS: dict[str, Any] = {"covariance": Mahalanobis, "deviation": Deviation}


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
        return self.nearest(codes, self.k).mean(1)

    def left_out(self, codes: Tensor) -> Tensor:
        """The same of codes that it was fitted on, each without itself, which is the nearest."""
        return self.nearest(codes, self.k + 1)[:, 1:].mean(1) if len(self.codes) > 1 else self(codes)

    def nearest(self, codes: Tensor, k: int) -> Tensor:
        """N×k, the squared distances, the smallest first."""
        own = self.codes.to(codes)
        apart = codes.square().sum(1, keepdim=True) - 2 * codes @ own.T + own.square().sum(1)
        return apart.clamp(min=0).topk(min(k, len(own)), dim=1, largest=False).values


class PatchDistance:
    """The distance from what a net makes of a place to the nearest it has made of any place of normal pictures,
    N×K×h×w -> N×h×w (Roth et al. 2022, with features of a net of our own).

    It needs no alignment: a part may lie anywhere and at any angle that the training pictures show. Each of the K is in
    standard deviations of its own.
    """

    def __init__(self, bank: Tensor, mean: Tensor, spread: Tensor) -> None:
        self.bank, self.mean, self.spread = bank, mean, spread

    @classmethod
    def fit(cls, features: Iterable[Tensor]) -> PatchDistance:
        random = torch.Generator().manual_seed(0)
        some = []
        for x in features:
            rows = x.permute(0, 2, 3, 1).flatten(0, 2)
            some.append(rows[torch.randperm(len(rows), generator=random)[: EACH * len(x)]])
        rows = torch.cat(some)
        rows = rows[torch.randperm(len(rows), generator=random)[:PLACES]]
        mean, spread = rows.mean(0), rows.std(0, correction=0) + 1e-6
        return cls((rows - mean) / spread, mean, spread)

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"bank": self.bank, "mean": self.mean, "spread": self.spread}

    def __call__(self, features: Tensor) -> Tensor:
        rows = (features.permute(0, 2, 3, 1) - self.mean.to(features)) / self.spread.to(features)
        near = [
            (part.square().sum(1) - 2 * rows @ part.T).amin(-1)
            for part in self.bank.to(features).split(PART)  # the distances to all of it would not fit into memory
        ]
        return (torch.stack(near).amin(0) + rows.square().sum(-1)).clamp(min=0).sqrt()


class ImageStatistics:
    """How far a picture lies from good ones at a glance, N×C×H×W in [0, 1] -> [N]: in tone (its mean), contrast
    (standard deviation) or detail (mean slope), whichever is furthest, in standard deviations of its logarithm.

    A net that has learned to find blemishes in a part may find none in what is no part at all: noise, a lens cap.
    """

    def __init__(self, mean: Tensor, spread: Tensor) -> None:
        self.mean, self.spread = mean, spread

    @classmethod
    def fit(cls, batches: Iterable[Tensor], roi: Tensor | None = None) -> ImageStatistics:
        seen = torch.cat([image_statistics(x, roi) for x in batches])
        return cls(seen.mean(0), seen.std(0, correction=0).clamp(min=LEAST))

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "spread": self.spread}

    def __call__(self, x: Tensor, roi: Tensor | None = None) -> Tensor:
        return ((image_statistics(x, roi) - self.mean.to(x)) / self.spread.to(x)).abs().amax(1)


def image_statistics(x: Tensor, roi: Tensor | None = None) -> Tensor:
    """N×3, the logarithms of tone, contrast and detail, where the roi, H×W, is 1."""
    inside = torch.ones_like(x[0, 0]) if roi is None else roi.to(x)

    def mean(values: Tensor, counts: Tensor) -> Tensor:
        return (values * counts).sum((2, 3)).mean(1) / counts.sum().clamp(min=1)

    tone = mean(x, inside)
    contrast = mean((x - tone.view(-1, 1, 1, 1)).square(), inside).sqrt()
    across = mean((x[..., 1:] - x[..., :-1]).abs(), inside[:, 1:] * inside[:, :-1])
    down = mean((x[..., 1:, :] - x[..., :-1, :]).abs(), inside[1:] * inside[:-1])
    return torch.stack([tone, contrast, across + down], 1).add(1e-3).log()
