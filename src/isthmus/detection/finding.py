"""What a detector has found of some items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Finding:
    """What was found of N items. score [N]: over threshold is bad. ratio [N]: what is scored, as times the normal.

    map: N×H×W (or N×D) of where it is not as it should be, smoothed, as times what is normal at that place. edge: the
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
        """What is found, as the map has its shape: True where the map of an item that is bad is over the edge."""
        return (self.map > self.edge) & self.bad.view(-1, *[1] * (self.map.dim() - 1))

    @classmethod
    def joined(cls, parts: Sequence[Finding]) -> Finding:
        """Those of several batches as one."""
        score, ratio, seen = (torch.cat([getattr(part, name) for part in parts]) for name in ("score", "ratio", "map"))
        return cls(score, ratio, parts[0].threshold, seen, parts[0].edge)
