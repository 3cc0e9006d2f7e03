"""A loss that is no number: the training stops with the last finite weights."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from isthmus import fit
from isthmus.errors import Diverged
from isthmus.types import Context, Losses, Sample

ALL = {"validation": 0.0, "test": 0.0}  # then 40 items in batches of 8 are 5 steps an epoch


def test_a_nan_loss_stops_the_training_with_the_last_finite_weights(
    line: Any, table: Any, options: Any, tmp_path: Path
) -> None:
    module = line(lambda loss, step: loss * (math.nan if step == 7 else 1))
    with pytest.raises(Diverged, match=r"^step 8: the reconstruction is NaN or infinite") as error:
        fit(module, table, **options, **ALL, epochs=4, out=tmp_path / "run")
    assert "\n" not in str(error.value)
    assert torch.equal(module.layer.weight, module.weights[6])
    kept = load_file(tmp_path / "run" / "model.safetensors")
    assert torch.equal(kept["layer.weight"], module.weights[6])
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["status"] == "diverged"


def test_the_error_names_the_term_that_is_not_finite(climber: Any, table: Any, options: Any) -> None:
    class Priced(climber):
        def forward(self, sample: Sample, ctx: Context) -> Losses:
            fine = super().forward(sample, ctx).terms["reconstruction"]
            return Losses({"reconstruction": fine, "penalty": fine * math.inf})

    with pytest.raises(Diverged, match="the penalty is NaN"):
        fit(Priced(), table, **options, epochs=1)


@pytest.mark.parametrize(
    "ema",
    [None, 0.9],
)
def test_weights_broken_by_a_nan_gradient_are_restored_from_the_last_epoch(
    ema: float | None, line: Any, table: Any, options: Any
) -> None:
    def poisoned(loss: Tensor, step: int) -> Tensor:
        return loss + (0 * loss).sqrt() if step == 7 else loss  # finite itself, but not its derivative

    module = line(poisoned)
    with pytest.raises(Diverged, match="step 9"):
        fit(module, table, **options, **ALL, epochs=4, ema=ema)
    assert module.weights[7].isnan().any()
    assert module.layer.weight.isfinite().all()
    if ema is None:
        assert torch.equal(module.layer.weight, module.weights[4])
