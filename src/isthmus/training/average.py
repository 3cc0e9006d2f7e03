"""A running mean of the weights (EMA), which is often better than any one step's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from isthmus.training.tally import copy_of


class Average:
    """decay: of the mean, shorter in the first steps; None keeps no mean, and `weights` are the module's own."""

    def __init__(self, module: nn.Module, decay: float | None) -> None:
        self.module, self.decay = module, decay
        self.mean: dict[str, Tensor] = copy_of(module) if decay is not None else {}

    @torch.no_grad()
    def update(self, step: int) -> None:
        assert self.decay is not None
        decay = min(self.decay, (step + 1) / (step + 10))
        for name, tensor in self.module.state_dict().items():
            mean = self.mean[name]
            if mean.is_floating_point():
                mean.lerp_(tensor, 1 - decay)
            else:
                mean.copy_(tensor)

    def weights(self) -> dict[str, Tensor]:
        return self.mean if self.decay is not None else self.module.state_dict()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """The module has the mean weights inside, its own again afterwards."""
        if self.decay is None:
            yield
            return
        own = copy_of(self.module)
        self.module.load_state_dict(self.mean)
        try:
            yield
        finally:
            self.module.load_state_dict(own)
