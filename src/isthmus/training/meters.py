"""Means over an epoch. Losses are added up several steps at a time, because reading one synchronizes with the GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from isthmus.distributed import all_reduce
from isthmus.types import COMPARED, Losses

if TYPE_CHECKING:
    from lightning_fabric import Fabric

WAITING = 64  # steps whose losses are added up at once


class Meters:
    """Sums of each loss term and statistic over the items of an epoch. state: of a checkpoint."""

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        state = state or {"sums": {}, "items": 0, "seconds": 0.0}
        self.sums: dict[str, float] = dict(state["sums"])
        self.items: float = state["items"]
        self.seconds: float = state["seconds"]
        self.waiting: list[tuple[dict[str, Tensor], int]] = []

    def add(self, losses: Losses, count: int) -> None:
        self.waiting.append(({**losses.terms, **losses.stats}, count))
        if len(self.waiting) >= WAITING:
            self.settle()

    @torch.no_grad()
    def settle(self) -> None:
        """Add up the waiting losses. Each step is summed by itself, so the time of a call has no effect on the sums."""
        if not self.waiting:
            return
        for name in self.waiting[0][0]:
            tensors = [values[name] for values, _ in self.waiting]
            if all(tensor.shape == tensors[0].shape for tensor in tensors):
                means = torch.stack(tensors).float().reshape(len(tensors), -1).mean(1).tolist()
            else:
                means = [float(tensor.float().mean()) for tensor in tensors]
            for mean, (_, count) in zip(means, self.waiting, strict=True):
                self.sums[name] = self.sums.get(name, 0.0) + mean * count
        self.items += sum(count for _, count in self.waiting)
        self.waiting.clear()

    def all_reduce(self, fabric: Fabric) -> None:
        """Replace the sums of this rank by those of all ranks."""
        self.settle()
        if fabric.world_size > 1:
            own = [*self.sums.values(), self.items, self.seconds / fabric.world_size]  # seconds: the mean of all ranks
            *sums, self.items, self.seconds = all_reduce(
                torch.tensor(own, dtype=torch.float64, device=fabric.device), fabric
            ).tolist()
            self.sums = dict(zip(self.sums, sums, strict=True))

    def non_finite(self) -> str | None:
        """The first loss term or statistic that is NaN or infinite."""
        self.settle()
        return next((name for name, total in self.sums.items() if total - total != 0), None)

    def means(self, terms: tuple[str, ...] = COMPARED) -> dict[str, float]:
        """The mean of each term and statistic over the items; first `loss`, the sum of `terms`."""
        self.settle()
        means = {name: total / max(1, self.items) for name, total in self.sums.items()}
        return {"loss": sum(means[name] for name in terms if name in means), **means}

    def zeros(self) -> dict[str, Any]:
        """The state of the other ranks of a resumed training, whose first rank resumes the sums of all."""
        return {"sums": dict.fromkeys(self.sums, 0.0), "items": 0, "seconds": self.seconds}

    def state(self) -> dict[str, Any]:
        self.settle()
        return {"sums": self.sums, "items": self.items, "seconds": self.seconds}


def copy_of(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def finite(tensors: Mapping[str, Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
