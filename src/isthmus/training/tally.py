"""Means over an epoch, kept on the device as one vector, so that counting costs next to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from isthmus.contracts import Losses


class Tally:
    """Sums of every loss term and figure over the items seen; it can be written to JSON and taken up again."""

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        state = state or {"names": [], "sums": [], "items": 0, "seconds": 0.0}
        self.names: list[str] = list(state["names"])
        self.sums = torch.tensor(state["sums"], dtype=torch.float32)
        self.items: int = state["items"]
        self.seconds: float = state["seconds"]

    def add(self, losses: Losses, count: int) -> None:
        found = {**losses.terms, **losses.stats}
        means = torch.stack([term.detach().float().mean() for term in found.values()])
        self.names = list(found)
        self.sums = means * count if not self.items else self.sums.to(means.device) + means * count
        self.items += count

    def broken(self) -> str | None:
        """The first loss term or figure that is no number any more."""
        if bool(torch.isfinite(self.sums).all()):
            return None
        return next(name for name, total in zip(self.names, self.sums.tolist(), strict=True) if total - total != 0)

    def means(self, terms: tuple[str, ...] = ("reconstruction", "penalty")) -> dict[str, float]:
        """Every mean an item, with `loss`, the sum of the terms, first."""
        means = {name: total / max(1, self.items) for name, total in zip(self.names, self.sums.tolist(), strict=True)}
        return {"loss": sum(means[name] for name in terms if name in means), **means}

    def state(self) -> dict[str, Any]:
        return {"names": self.names, "sums": self.sums.tolist(), "items": self.items, "seconds": self.seconds}


def copy_of(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def finite(tensors: Mapping[str, Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
