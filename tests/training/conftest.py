"""A net of a few numbers, so that its training can be computed by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from isthmus.types import Context, Losses, Sample


class Line(nn.Module):
    """Its loss is the squared distance of a linear map from the target; `spoil(loss, step)` may change it."""

    def __init__(self, spoil: Callable[[Tensor, int], Tensor] | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 4)
        self.steps, self.spoil = 0, spoil
        self.weights: list[Tensor] = []

    def forward(self, sample: Sample, ctx: Context) -> Losses:
        loss = (self.layer(sample.x) - sample.target).square().sum(1)
        if self.training and self.spoil is not None:
            loss = self.spoil(loss, self.steps)
        return Losses({"reconstruction": loss, "penalty": torch.zeros_like(loss)})

    def after_step(self, sums: dict[str, Tensor]) -> None:
        self.steps += 1
        self.weights.append(self.layer.weight.detach().clone())


class Climber(nn.Module):
    """Training pushes its only weight up by the rate a step; on held-back items 0.3 is best."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, sample: Sample, ctx: Context) -> Losses:
        loss = -self.weight if self.training else (self.weight - 0.3).square()
        return Losses({"reconstruction": loss.expand(len(sample.x))})


@pytest.fixture(autouse=True)
def _quick(one_thread: None) -> None:
    """Every test here trains something tiny."""


@pytest.fixture
def line() -> type[Line]:
    return Line


@pytest.fixture
def climber() -> type[Climber]:
    return Climber


@pytest.fixture
def table() -> np.ndarray:
    """40 items of 4 numbers between 0 and 1."""
    return np.random.default_rng(0).uniform(0, 1, (40, 4)).astype(np.float32)


@pytest.fixture
def options() -> dict[str, Any]:
    return {"batch_size": 8, "device": "cpu", "quiet": True, "lr": 0.01}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, float]]:
    """What the optimizer was told at each step: its rate, and the norm of the gradient."""
    steps: list[dict[str, float]] = []
    step = torch.optim.AdamW.step

    def look(optimizer: torch.optim.Optimizer, *given: Any) -> Any:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
        steps.append({"lr": optimizer.param_groups[0]["lr"], "norm": float(norm)})
        return step(optimizer, *given)

    monkeypatch.setattr(torch.optim.AdamW, "step", look)
    return steps
