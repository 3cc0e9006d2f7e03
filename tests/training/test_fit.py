"""The one loop: rates, clipping, averages, stopping, and the parts of the data."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from isthmus import fit
from isthmus.data import open_data, read_parts
from isthmus.errors import BadInput, Diverged
from isthmus.recipes import create
from isthmus.training import TRAINING, settle
from isthmus.types import Context, Losses, Sample

ALL = {"validation": 0.0, "test": 0.0}  # then 40 items in batches of 8 are 5 steps an epoch


# -- the rate --


def test_a_constant_rate_is_the_same_at_every_step(line: Any, table: Any, options: Any, seen: Any) -> None:
    fit(line(), table, **options, **ALL, epochs=2)
    assert [step["lr"] for step in seen] == [0.01] * 10


def test_cosine_rate_falls_to_almost_zero(line: Any, table: Any, options: Any, seen: Any) -> None:
    fit(line(), table, **options, **ALL, epochs=4, schedule="cosine")
    assert [step["lr"] for step in seen] == pytest.approx(
        [0.005 * (1 + math.cos(math.pi * step / 20)) for step in range(20)]
    )


def test_rate_rises_from_zero_during_warmup(line: Any, table: Any, options: Any, seen: Any) -> None:
    fit(line(), table, **options, **ALL, epochs=4, warmup=0.25)
    assert [step["lr"] for step in seen] == pytest.approx([0.002, 0.004, 0.006, 0.008] + [0.01] * 16)


def test_warmup_and_cosine_go_together(line: Any, table: Any, options: Any, seen: Any) -> None:
    fit(line(), table, **options, **ALL, epochs=4, warmup=0.25, schedule="cosine")
    exact = [min(1, (s + 1) / 5) * 0.005 * (1 + math.cos(math.pi * s / 20)) for s in range(20)]
    assert [step["lr"] for step in seen] == pytest.approx(exact)


def test_plateau_halves_the_rate_after_three_epochs_without_improvement(line: Any, table: Any, options: Any) -> None:
    flat = line(lambda loss, step: 0 * loss + 1)
    run = fit(flat, table, **options, **ALL, epochs=10, schedule="plateau")
    assert [row["lr"] for row in run.history] == [0.01] * 4 + [0.005] * 3 + [0.0025] * 3


def test_plateau_keeps_the_rate_while_the_loss_falls(line: Any, table: Any, options: Any) -> None:
    run = fit(line(), table, **options, **ALL, epochs=6, schedule="plateau")
    assert [row["lr"] for row in run.history] == [0.01] * 6


# -- gradients and weights --


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


class Climber(nn.Module):
    """Training pushes its only weight up by the rate a step; on held-back items 0.3 is best."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, sample: Sample, ctx: Context) -> Losses:
        loss = -self.weight if self.training else (self.weight - 0.3).square()
        return Losses({"reconstruction": loss.expand(len(sample.x))})


@pytest.mark.parametrize("patience", [1, 3])
def test_early_stopping_waits_for_its_patience_and_keeps_the_best_weights(
    patience: int, table: Any, options: Any, tmp_path: Path
) -> None:
    run = fit(Climber(), table, **options, epochs=50, patience=patience, out=tmp_path / "run")
    best = min(run.history, key=lambda row: row["validation_loss"])
    assert best["epoch"] == 8  # 4 steps of 0.01 an epoch: 0.32 is nearer to 0.3 than 0.28, and a tie goes to the first
    assert len(run.history) == 8 + patience
    assert run.finished == "stopped early: the validation loss no longer falls"
    assert run.model.weight.item() == pytest.approx(0.32, abs=1e-3)
    assert float(load_file(tmp_path / "run" / "model.safetensors")["weight"]) == run.model.weight.item()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["status"] == run.finished


# -- a loss that is no number --


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


def test_the_error_names_the_term_that_is_not_finite(table: Any, options: Any) -> None:
    class Priced(Climber):
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


# -- the parts --


def test_the_parts_are_disjoint_hold_everything_and_are_recorded(
    line: Any, table: Any, options: Any, tmp_path: Path
) -> None:
    run = fit(line(), table, **options, epochs=1, validation=0.2, test=0.3, out=tmp_path / "run")
    assert {part: len(rows) for part, rows in run.parts.items()} == {"train": 20, "validation": 8, "test": 12}
    assert sorted(np.concatenate(list(run.parts.values()))) == list(range(40))
    recorded = read_parts(open_data(table), json.loads((tmp_path / "run" / "parts.json").read_text()))
    assert {part: rows.tolist() for part, rows in recorded.items()} == {
        part: rows.tolist() for part, rows in run.parts.items()
    }


def test_only_the_training_part_is_learned_from(line: Any, table: Any, options: Any) -> None:
    met: list[Tensor] = []

    class Watching(line):
        def forward(self, sample: Sample, ctx: Context) -> Losses:
            met.extend(sample.x if self.training else [])
            return super().forward(sample, ctx)

    run = fit(Watching(), table, **options, epochs=3)
    rows = [int(np.flatnonzero((table == item.numpy()).all(1))[0]) for item in met]
    assert len(rows) == 3 * len(run.parts["train"])
    assert set(rows) == set(run.parts["train"].tolist())
    first, second = rows[: len(rows) // 3], rows[len(rows) // 3 : 2 * len(rows) // 3]
    assert sorted(first) == sorted(second)
    assert first != second


# -- history, files, options --


def test_history_holds_means_over_items(line: Any, table: Any, options: Any, tmp_path: Path) -> None:
    run = fit(line(), table, **options | {"lr": 1e-9}, **ALL, epochs=1, out=tmp_path / "run")
    with torch.no_grad():
        exact = float(line()(Sample.of(torch.from_numpy(table)), Context()).total)
    assert run.history[0]["loss"] == pytest.approx(exact, rel=1e-5)
    with (tmp_path / "run" / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == [row["loss"] for row in run.history]
    assert run.metrics["images_per_second"] == pytest.approx(40 / run.metrics["seconds_per_epoch"])


@pytest.mark.parametrize("epochs", [0.5, 1.5])
def test_the_speed_counts_the_items_of_a_part_of_an_epoch(
    line: Any, table: Any, options: Any, tmp_path: Path, epochs: float
) -> None:
    run = fit(line(), table, **options | {"batch_size": 4}, **ALL, epochs=epochs, out=tmp_path / "run")
    spent = sum(row["seconds"] for row in run.history)
    assert run.metrics["images_per_second"] == pytest.approx(40 * epochs / spent)
    assert run.metrics["seconds_per_epoch"] == pytest.approx(spent / epochs)


def test_a_folder_with_files_is_not_written_into(line: Any, table: Any, options: Any, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    for resume in (False, True):
        with pytest.raises(BadInput, match="exists already"):
            fit(line(), table, **options, epochs=1, out=tmp_path / "run", resume=resume)
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_every_training_option_has_a_help_text() -> None:
    assert all(meaning for _, meaning in TRAINING.values())
    assert settle({}, {}) == {key: default for key, (default, _) in TRAINING.items()}


def test_given_options_override_the_recipe_and_the_recipe_the_defaults() -> None:
    options = settle({"epochs": 50, "lr": 0.5}, {"lr": 0.25, "clip": "none"})
    assert (options["epochs"], options["lr"], options["batch_size"], options["clip"]) == (50, 0.25, 128, None)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"epochs": 0}, "a number above 0"),
        ({"epochs": True}, "a number above 0"),
        ({"devices": 1.5}, "an integer from 1 up"),
        ({"strategy": "dpp"}, "did you mean 'ddp'"),
        ({"compile": "maybe"}, "unknown compile"),
        ({"budget": "soon"}, "a time such as 90s, 10m or 2h"),
        ({"budget": "-5m"}, "a time such as 90s, 10m or 2h"),
        ({"batch_size": -1}, "an integer from 1 up"),
        ({"lr": 0}, "a number above 0"),
        ({"lr": math.nan}, "a number above 0"),
        ({"lr": "fast"}, "a number above 0"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"precision": "bf16"}, "unknown precision"),
        ({"device": "tpu"}, "unknown device"),
        ({"validation": 1}, "from 0 up and below 1"),
        ({"ema": 1.5}, "from 0 up and below 1"),
        ({"patience": 3, "validation": 0.0}, "patience needs a validation split"),
        ({"seed": -1}, "an integer from 0 up"),
        ({"epochs": None}, "epochs is none"),
        ({"lr": "none"}, "lr is none"),
        ({"warmup": "none"}, "warmup is none"),
    ],
)
def test_an_invalid_option_is_refused_in_one_line(given: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says) as error:
        settle({}, given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_one_to_three_items_are_enough(count: int, line: Any, table: Any, options: Any) -> None:
    run = fit(line(), table[:count], **options, epochs=1)
    assert len(run.parts["train"]) >= 1
    assert math.isfinite(run.history[0]["loss"])


def test_few_items_get_more_epochs_unless_epochs_are_set(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (20, 6, 6), np.uint8)
    asked: dict[str, Any] = {"batch_size": 8, "validation": 0.0, "test": 0.0, "least_steps": 90, "quiet": True}

    def new() -> Any:
        return create("undercomplete", shape=(1, 6, 6), code=4)

    run = fit(new(), x, out=tmp_path / "run", **asked)
    assert run.model.about["training"]["epochs"] == max(50, 90 // 3)  # the recipe's own are more
    run = fit(new(), x, out=tmp_path / "more", **asked | {"least_steps": 200})
    assert run.model.about["training"]["epochs"] == 67
    assert len(run.history) == 67
    again = fit(new(), x, out=tmp_path / "more", resume=True, **asked | {"least_steps": 200})
    assert len(again.history) == 67
    assert len(fit(new(), x, epochs=2, **asked).history) == 2
