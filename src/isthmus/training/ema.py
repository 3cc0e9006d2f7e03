"""A running mean of the weights (EMA), which is often better than any one step's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from isthmus.training.meters import copy_of


class EMA:
    """decay: of the mean, shorter in the first steps; None keeps no mean, and `weights` are the module's own."""

    def __init__(self, module: nn.Module, decay: float | None) -> None:
        self.module, self.decay = module, decay
        self.mean: dict[str, Tensor] = copy_of(module) if decay is not None else {}

    @torch.no_grad()
    def update(self, step: int) -> None:
        assert self.decay is not None
        decay = min(self.decay, (step + 1) / (step + 10))
        own = self.module.state_dict()
        moving = [name for name, mean in self.mean.items() if mean.is_floating_point()]
        # One call for all of them: on a GPU a call for each takes longer than the work.
        torch._foreach_lerp_([self.mean[name] for name in moving], [own[name] for name in moving], 1 - decay)
        for name in self.mean.keys() - moving:
            self.mean[name].copy_(own[name])

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
