"""Means over an epoch. What each step says is put aside and added up later, so that counting costs next to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from isthmus.distributed import all_reduce
from isthmus.types import Losses

if TYPE_CHECKING:
    from lightning_fabric import Fabric

WAITING = 64  # steps put aside before they are added up: on a GPU every look at a number waits for it


class Meters:
    """Sums of every loss term and figure over the items seen; it can be written to JSON and taken up again."""

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
        """Add up what waits. Each step is summed by itself, so that the sums do not depend on when this is called."""
        if not self.waiting:
            return
        for name in self.waiting[0][0]:
            tensors = [found[name] for found, _ in self.waiting]
            if all(tensor.shape == tensors[0].shape for tensor in tensors):
                means = torch.stack(tensors).float().reshape(len(tensors), -1).mean(1).tolist()
            else:
                means = [float(tensor.float().mean()) for tensor in tensors]
            for mean, (_, count) in zip(means, self.waiting, strict=True):
                self.sums[name] = self.sums.get(name, 0.0) + mean * count
        self.items += sum(count for _, count in self.waiting)
        self.waiting.clear()

    def share(self, fabric: Fabric) -> None:
        """Make the sums those of all ranks."""
        self.settle()
        if fabric.world_size > 1:
            own = [*self.sums.values(), self.items, self.seconds / fabric.world_size]  # seconds: of all ranks the mean
            *sums, self.items, self.seconds = all_reduce(
                torch.tensor(own, dtype=torch.float64, device=fabric.device), fabric
            ).tolist()
            self.sums = dict(zip(self.sums, sums, strict=True))

    def broken(self) -> str | None:
        """The first loss term or figure that is no number any more."""
        self.settle()
        return next((name for name, total in self.sums.items() if total - total != 0), None)

    def means(self, terms: tuple[str, ...] = ("reconstruction", "penalty")) -> dict[str, float]:
        """Every mean an item, with `loss`, the sum of the terms, first."""
        self.settle()
        means = {name: total / max(1, self.items) for name, total in self.sums.items()}
        return {"loss": sum(means[name] for name in terms if name in means), **means}

    def emptied(self) -> dict[str, Any]:
        """The state of a rank other than the first, when the first takes up what all had seen."""
        return {"sums": dict.fromkeys(self.sums, 0.0), "items": 0, "seconds": self.seconds}

    def state(self) -> dict[str, Any]:
        self.settle()
        return {"sums": self.sums, "items": self.items, "seconds": self.seconds}


def copy_of(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def finite(tensors: Mapping[str, Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
