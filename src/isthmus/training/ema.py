"""Exponential moving average of the weights (EMA), often better than the weights of any one step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from isthmus.training.meters import copy_of


class EMA:
    """decay: of the average, smaller in the first steps; None for no average: `weights` are then the module's own."""

    def __init__(self, module: nn.Module, decay: float | None) -> None:
        self.module, self.decay = module, decay
        self.mean: dict[str, Tensor] = copy_of(module) if decay is not None else {}

    @torch.no_grad()
    def update(self, step: int) -> None:
        assert self.decay is not None
        decay = min(self.decay, (step + 1) / (step + 10))
        own = self.module.state_dict()
        moving = [name for name, mean in self.mean.items() if mean.is_floating_point()]
        # One call for all tensors: on a GPU one call for each takes longer than the work.
        torch._foreach_lerp_([self.mean[name] for name in moving], [own[name] for name in moving], 1 - decay)
        for name in self.mean.keys() - moving:
            self.mean[name].copy_(own[name])

    def weights(self) -> dict[str, Tensor]:
        return self.mean if self.decay is not None else self.module.state_dict()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Inside, the module has the averaged weights; afterwards its own again."""
        if self.decay is None:
            yield
            return
        own = copy_of(self.module)
        self.module.load_state_dict(self.mean)
        try:
            yield
        finally:
            self.module.load_state_dict(own)
