"""Stand-ins for trained restoration models, and helpers of the tests of restoration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

RANDOM = np.random.default_rng(0)


class StandIn(nn.Module):
    """What a trained model is to these verbs, with a function for the net."""

    def __init__(
        self, function: Callable[..., Tensor], channels: int = 3, reach: int = 9, stride: int = 1, scale: int = 1
    ) -> None:
        super().__init__()
        self.function, self.shape = function, (channels, 16, 16)
        self.reach, self.stride, self.scale = reach, stride, scale

    def restore(self, x: Tensor, **side: Tensor) -> Tensor:
        assert x.dim() == 4
        assert x.shape[1] == self.shape[0]
        return self.function(x, **side)


def identity(channels: int = 3) -> StandIn:
    return StandIn(lambda x, **side: x, channels)


def negative(channels: int = 3) -> StandIn:
    return StandIn(lambda x, **side: 1 - x, channels)


def nearest(scale: int, channels: int = 3) -> StandIn:
    return StandIn(lambda x: F.interpolate(x, scale_factor=scale, mode="nearest"), channels, scale=scale)


def finder(channels: int = 3) -> StandIn:
    """Takes white for a watermark, and black for what was under it."""

    def function(x: Tensor) -> Tensor:
        mask = (x > 0.99).all(1, keepdim=True).to(x)
        return torch.cat([torch.full_like(x, 0.0), mask], 1)

    return StandIn(function, channels)


def noise(*shape: int, deep: bool = False) -> np.ndarray:
    return RANDOM.integers(0, 65536 if deep else 256, shape, dtype=np.uint16 if deep else np.uint8)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
