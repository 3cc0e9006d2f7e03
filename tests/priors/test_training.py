"""Priors that isthmus.training.fit trains."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from isthmus.data.base import Data, Numbered
from isthmus.priors import PRIORS, Prior
from isthmus.training import fit
from isthmus.training.options import TRAINING, settle
from isthmus.types import Context, Noise, Sample

SIZES: dict[str, dict[str, Any]] = {
    "flow": {"width": 32, "depth": 1},
    "transformer": {"codes": 5, "width": 16, "depth": 1, "heads": 1},
}


def labeled(codes: torch.Tensor, labels: torch.Tensor) -> Data:
    """Codes as a data set with the condition "label"."""

    def data(values: torch.Tensor, kind: str, **more: Any) -> Data:
        return Data(values, tuple(values.shape[1:]), (0.0, 1.0), Numbered(range(len(values))), kind=kind, **more)

    kind = "features" if codes.is_floating_point() else "labels"
    return data(codes, kind, further={"label": data(labels[:, None], "labels")})


@pytest.mark.parametrize("name", ["flow", "transformer"])
def test_fit_trains_a_conditional_prior(name: str) -> None:
    labels = torch.arange(400) % 5
    codes = labels[:, None].expand(-1, 4) if name == "transformer" else labels[:, None] + torch.zeros(400, 2)
    torch.manual_seed(0)
    prior: Prior = PRIORS[name](tuple(codes.shape[1:]), 5, **SIZES[name])
    prior.fit(codes, labels)
    sample = Sample(codes, codes, condition={"label": labels[:, None]})

    @torch.no_grad()
    def loss() -> float:
        return float(prior.eval()(sample, Context(Noise(1, 1, 400))).total)

    before = loss()
    quick = {"epochs": 30, "batch_size": 40, "lr": 1e-2, "ema": None, "quiet": True, "device": "cpu"}
    run = fit(prior, labeled(codes, labels), **{**prior.training_defaults, **quick})
    assert loss() < 0.4 * before
    assert 0 < min(row["validation_loss"] for row in run.history) < 0.4 * before


@pytest.mark.parametrize("name", ["flow", "transformer"])
def test_training_defaults_are_keys_of_a_training(name: str) -> None:
    defaults = PRIORS[name].training_defaults
    assert settle(defaults, {}) == {**{key: value for key, (value, _) in TRAINING.items()}, **defaults}
