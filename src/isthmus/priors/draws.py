"""The random numbers of generated items: one generator for each item, keyed by the seed and the index of the item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from isthmus.types import mixed

STREAM = 0x67656E6572617465  # so that item k of a seed does not repeat the noise of training step k


class Draws:
    """Random numbers of the items `indices` of `seed`.

    They are drawn on the CPU, each item from its own generator, so those of an item do not depend on the other items of
    its batch or on the device.
    """

    def __init__(self, seed: int, indices: Sequence[int], device: Any = "cpu") -> None:
        self.device = device
        self.generators = [torch.Generator().manual_seed(mixed(mixed(seed ^ STREAM) + int(index))) for index in indices]

    def __len__(self) -> int:
        return len(self.generators)

    def normal(self, *shape: int) -> Tensor:
        """N×shape standard normal numbers."""
        return torch.stack([torch.randn(shape, generator=each) for each in self.generators]).to(self.device)

    def uniform(self, *shape: int) -> Tensor:
        """N×shape numbers from [0, 1)."""
        return torch.stack([torch.rand(shape, generator=each) for each in self.generators]).to(self.device)
