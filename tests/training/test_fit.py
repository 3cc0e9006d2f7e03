"""A training: the parts of the data, history, files, and the number of epochs."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from isthmus import fit
from isthmus.data import open_data, read_parts
from isthmus.errors import BadInput
from isthmus.recipes import create
from isthmus.types import Context, Losses, Sample

ALL = {"validation": 0.0, "test": 0.0}  # then 40 items in batches of 8 are 5 steps an epoch


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
