"""The result of a detector on a batch of items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Finding:
    """Scores, verdicts and anomaly maps of N items.

    score [N]: an item is anomalous (`bad`) where it exceeds `threshold`. ratio [N]: the scored error as a multiple of
    the normal one. map: N×H×W (or N×D), smoothed, each value a multiple of the normal one at its position. edge: the
    threshold of the map.
    """

    score: Tensor
    ratio: Tensor
    threshold: float
    map: Tensor
    edge: float = math.inf

    @property
    def bad(self) -> Tensor:
        return self.score > self.threshold

    @property
    def mask(self) -> Tensor:
        """Bool, of the shape of the map: True where the map of an anomalous item exceeds `edge`."""
        return (self.map > self.edge) & self.bad.view(-1, *[1] * (self.map.dim() - 1))

    @classmethod
    def joined(cls, parts: Sequence[Finding]) -> Finding:
        """Concatenate the results of several batches."""
        score, ratio, maps = (torch.cat([getattr(part, name) for part in parts]) for name in ("score", "ratio", "map"))
        return cls(score, ratio, parts[0].threshold, maps, parts[0].edge)
