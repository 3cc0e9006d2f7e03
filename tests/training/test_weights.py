"""What a step does to the weights, and which are kept: clipping, decay, averages, early stopping."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from isthmus import fit
from isthmus.types import Context, Sample

ALL = {"validation": 0.0, "test": 0.0}  # then 40 items in batches of 8 are 5 steps an epoch


def test_clipping_bounds_the_norm_of_the_gradient(line: Any, table: Any, options: Any, seen: Any) -> None:
    fit(line(), table, **options, **ALL, epochs=1)
    free = [step["norm"] for step in seen]
    seen.clear()
    fit(line(), table, **options, **ALL, epochs=1, clip=0.1)
    assert min(free) > 0.2
    assert [step["norm"] for step in seen] == pytest.approx([0.1] * 5, rel=1e-3)


def test_weight_decay_shrinks_the_weights(line: Any, table: Any, options: Any) -> None:
    still = [
        fit(line(lambda loss, step: 0 * loss), table, **options, **ALL, epochs=2, weight_decay=d) for d in (0, 0.5)
    ]
    free, pulled = (run.model.layer.weight for run in still)
    assert torch.equal(free, line().layer.weight)
    assert torch.allclose(pulled, free * (1 - 0.01 * 0.5) ** 10, rtol=1e-5)


def test_the_average_of_the_weights_is_kept_with_ema(line: Any, table: Any, options: Any) -> None:
    module = line()
    mean = module.layer.weight.detach().double()
    fit(module, table, **options, **ALL, epochs=4, ema=0.7)
    for step, weight in enumerate(module.weights):
        decay = min(0.7, (step + 1) / (step + 10))
        mean = decay * mean + (1 - decay) * weight.double()
    assert torch.allclose(module.layer.weight.double(), mean, atol=1e-6)
    assert not torch.allclose(module.layer.weight, module.weights[-1], atol=1e-4)


def test_validation_uses_the_averaged_weights_and_restores_the_others(line: Any, table: Any, options: Any) -> None:
    plain, averaged = line(), line()
    a = fit(plain, table, **options, epochs=3)
    b = fit(averaged, table, **options, epochs=3, ema=0.9)
    assert [row["loss"] for row in a.history] == [row["loss"] for row in b.history]
    assert all(torch.equal(x, y) for x, y in zip(plain.weights, averaged.weights, strict=True))
    assert a.history[-1]["validation_loss"] != b.history[-1]["validation_loss"]
    held = torch.from_numpy(table[b.parts["validation"]])
    with torch.no_grad():
        exact = float(averaged(Sample.of(held), Context()).total)
    assert b.history[-1]["validation_loss"] == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("patience", [1, 3])
def test_early_stopping_waits_for_its_patience_and_keeps_the_best_weights(
    patience: int, climber: Any, table: Any, options: Any, tmp_path: Path
) -> None:
    run = fit(climber(), table, **options, epochs=50, patience=patience, out=tmp_path / "run")
    best = min(run.history, key=lambda row: row["validation_loss"])
    assert best["epoch"] == 8  # 4 steps of 0.01 an epoch: 0.32 is nearer to 0.3 than 0.28, and a tie goes to the first
    assert len(run.history) == 8 + patience
    assert run.finished == "stopped early: the validation loss no longer falls"
    assert run.model.weight.item() == pytest.approx(0.32, abs=1e-3)
    assert float(load_file(tmp_path / "run" / "model.safetensors")["weight"]) == run.model.weight.item()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["status"] == run.finished
