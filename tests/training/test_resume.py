"""A resumed training equals an uninterrupted one; changes that would alter its result are refused."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from isthmus import create, fit, load
from isthmus.autoencoder import Autoencoder
from isthmus.errors import BadInput
from isthmus.training import Run

RECIPE = {"epochs": 4, "batch_size": 8, "device": "cpu", "quiet": True, "lr": 0.01, "validation": 0.1}


def model(code: int = 2, seed: int = 0, recipe: str = "undercomplete", **keys: Any) -> Autoencoder:
    return create(recipe, shape=(4,), code=code, seed=seed, **keys)


def interrupt(module: Autoencoder, at: int, how: Callable[[], None]) -> Autoencoder:
    """The same model, to which `how` happens in step `at`, after its weights were changed."""
    own, steps = module.after_step, []

    def after_step(sums: dict[str, Any]) -> None:
        own(sums)
        steps.append(1)
        if len(steps) == at:
            how()

    module.after_step = after_step  # type: ignore[method-assign]
    return module


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def press_ctrl_c_twice() -> None:
    press_ctrl_c()
    press_ctrl_c()


def same(a: Run, b: Run) -> bool:
    weights = (run.model.state_dict() for run in (a, b))
    ours, theirs = ([{k: v for k, v in row.items() if k != "seconds"} for row in run.history] for run in (a, b))
    return ours == theirs and all(torch.equal(x, y) for x, y in zip(*(w.values() for w in weights), strict=True))


def stop(out: Path, table: np.ndarray, at: int = 9, how: Callable[[], None] = press_ctrl_c, **options: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(interrupt(model(), at, how), table, out=out, **RECIPE | options)


VARIANTS: list[dict[str, Any]] = [
    {},
    {"schedule": "cosine", "warmup": 0.3},
    {"schedule": "plateau", "lr": 0.5},
    {"ema": 0.8},
    {"patience": 2, "lr": 0.3, "epochs": 12},
    {"clip": 0.05, "weight_decay": 0.1},
    {"validation": 0.0, "test": 0.0, "batch_size": 40},
]


@pytest.mark.parametrize("options", VARIANTS, ids=lambda options: "-".join(options) or "plain")
@pytest.mark.parametrize("at", [1, 8, 10])
def test_a_resumed_run_is_the_undisturbed_one(
    at: int, options: dict[str, Any], table: np.ndarray, tmp_path: Path
) -> None:
    at = min(at, 3) if options.get("batch_size") else at
    whole = fit(model(), table, **RECIPE | options)
    stop(tmp_path / "run", table, at, **options)
    assert same(fit(model(), table, out=tmp_path / "run", resume=True, **RECIPE | options), whole)


def test_a_plateau_schedule_resumes(line: Any, table: np.ndarray, tmp_path: Path) -> None:
    def flat() -> Any:
        return line(lambda loss, step: 0 * loss + 1)

    options = {**RECIPE, "epochs": 12, "validation": 0.0, "test": 0.0, "schedule": "plateau"}
    whole = fit(flat(), table, **options)
    with pytest.raises(KeyboardInterrupt):
        fit(interrupt(flat(), 28, press_ctrl_c), table, out=tmp_path / "run", **options)
    resumed = fit(flat(), table, out=tmp_path / "run", resume=True, **options)
    assert [row["lr"] for row in resumed.history] == [row["lr"] for row in whole.history]
    assert whole.history[-1]["lr"] < whole.history[5]["lr"] < 0.01


def test_a_run_may_be_stopped_and_resumed_again_and_again(table: np.ndarray, tmp_path: Path) -> None:
    whole = fit(model(), table, **RECIPE)
    stop(tmp_path / "run", table, 3)
    for steps in (1, 4, 2):
        with pytest.raises(KeyboardInterrupt):
            fit(interrupt(model(), steps, press_ctrl_c), table, out=tmp_path / "run", resume=True, **RECIPE)
    assert same(fit(model(), table, out=tmp_path / "run", resume=True, **RECIPE), whole)


def test_a_second_ctrl_c_in_the_middle_of_a_step_leaves_a_run_that_resumes(table: np.ndarray, tmp_path: Path) -> None:
    whole = fit(model(), table, **RECIPE)
    stop(tmp_path / "run", table, 9, press_ctrl_c_twice)
    assert same(fit(model(), table, out=tmp_path / "run", resume=True, **RECIPE), whole)


def test_ctrl_c_is_restored_after_a_training(table: np.ndarray, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    stop(tmp_path / "run", table)
    assert signal.getsignal(signal.SIGINT) is before


def test_resume_without_a_run_starts_one(table: np.ndarray, tmp_path: Path) -> None:
    whole = fit(model(), table, **RECIPE)
    assert same(fit(model(), table, out=tmp_path / "run", resume=True, **RECIPE), whole)
    (tmp_path / "empty").mkdir()
    assert same(fit(model(), table, out=tmp_path / "empty", resume=True, **RECIPE), whole)


def test_a_finished_run_is_left_as_it_is(table: np.ndarray, tmp_path: Path) -> None:
    first = fit(model(), table, out=tmp_path / "run", **RECIPE)
    files = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in (tmp_path / "run").rglob("*.*")}
    steps: list[int] = []
    again = fit(interrupt(model(), 1, lambda: steps.append(1)), table, out=tmp_path / "run", resume=True, **RECIPE)
    assert not steps
    assert again.history == first.history
    assert same(again, first)
    assert {f: (f.read_bytes(), f.stat().st_mtime_ns) for f in (tmp_path / "run").rglob("*.*")} == files


@pytest.mark.parametrize("options", [{"ema": 0.8}, {"patience": 1, "lr": 0.5, "epochs": 30}], ids=["ema", "patience"])
def test_a_finished_run_gives_the_weights_that_it_kept(
    options: dict[str, Any], table: np.ndarray, tmp_path: Path
) -> None:
    first = fit(model(), table, out=tmp_path / "run", **RECIPE | options)
    again = fit(model(), table, out=tmp_path / "run", resume=True, **RECIPE | options)
    assert same(again, first)
    assert again.finished == first.finished
    assert torch.equal(load(tmp_path / "run").encode(table), first.model.encode(table))


# -- more epochs --


def longer(recipe: str, options: dict[str, Any], data: np.ndarray, out: Path, **keys: Any) -> bool:
    """Whether 4 epochs made into 8 are the undisturbed 8; raises BadInput where that is refused."""
    shape = data.shape[1:]

    def new() -> Autoencoder:
        return create(recipe, shape=shape, code=2 if recipe != "sparse" else 4, **keys)

    whole = fit(new(), data, **RECIPE | options | {"epochs": 8})
    fit(new(), data, out=out, **RECIPE | options)
    return same(fit(new(), data, out=out, resume=True, **RECIPE | options | {"epochs": 8}), whole)


@pytest.mark.parametrize("options", [{}, {"ema": 0.8}], ids=["plain", "ema"])
def test_more_epochs_at_a_constant_rate_are_the_longer_training(
    options: dict[str, Any], table: np.ndarray, tmp_path: Path
) -> None:
    assert longer("undercomplete", options, table, tmp_path / "run")


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_more_epochs_at_another_rate_are_refused(schedule: str, table: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"epochs cannot be changed, because its {schedule} rate ends with them"):
        longer("undercomplete", {"schedule": schedule}, table, tmp_path / "run")


PROGRESSIVE = [
    pytest.param("undercomplete", {"warmup": 0.5}, {}, id="warmup"),
    pytest.param("sparse", {"patience": None}, {"kind": "topk", "k": 1}, id="topk"),
    pytest.param("variational", {"schedule": "constant", "warmup": 0.0}, {"widths": (5,)}, id="beta"),
    pytest.param("deep", {"schedule": "constant", "warmup": 0.0}, {"widths": (5,)}, id="affine"),
]


@pytest.mark.parametrize(("recipe", "options", "keys"), PROGRESSIVE)
def test_more_epochs_equal_the_longer_training_or_are_refused(
    recipe: str, options: dict[str, Any], keys: dict[str, Any], table: np.ndarray, tmp_path: Path
) -> None:
    data = np.tile(table, 4).reshape(-1, 1, 4, 4) if recipe == "deep" else table
    try:
        equal = longer(recipe, options, data, tmp_path / "run", **keys)
    except BadInput:
        return
    assert equal


def test_fewer_epochs_than_are_done_are_refused(table: np.ndarray, tmp_path: Path) -> None:
    fit(model(), table, out=tmp_path / "run", **RECIPE)
    with pytest.raises(BadInput, match="epochs"):
        fit(model(), table, out=tmp_path / "run", resume=True, **RECIPE | {"epochs": 2})


# -- another run --


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"lr": 0.02}, "lr=0.01, not 0.02"),
        ({"batch_size": 4}, "batch_size=8, not 4"),
        ({"validation": 0.2}, "validation=0.1, not 0.2"),
        ({"seed": 5}, "seed=0, not 5"),
        ({"ema": 0.9}, "ema=None, not 0.9"),
        ({"clip": 1.0}, "clip=None, not 1.0"),
        ({"schedule": "cosine"}, "schedule=constant, not cosine"),
    ],
)
def test_other_options_are_refused(given: dict[str, Any], says: str, table: np.ndarray, tmp_path: Path) -> None:
    stop(tmp_path / "run", table)
    files = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*.*")}
    with pytest.raises(BadInput, match=says) as error:
        fit(model(), table, out=tmp_path / "run", resume=True, **RECIPE | given)
    assert "\n" not in str(error.value)
    assert {file: file.read_bytes() for file in (tmp_path / "run").rglob("*.*")} == files


@pytest.mark.parametrize(
    "other",
    [
        model(code=3),
        model(activation="tanh"),
        model(loss="mse"),
        model(corruption="gaussian:0.1"),
        model(recipe="linear"),
    ],
    ids=["code", "activation", "loss", "corruption", "recipe"],
)
def test_another_model_is_refused(other: Autoencoder, table: np.ndarray, tmp_path: Path) -> None:
    stop(tmp_path / "run", table)
    with pytest.raises(BadInput, match="was trained with") as error:
        fit(other, table, out=tmp_path / "run", resume=True, **RECIPE)
    assert "\n" not in str(error.value)


def test_other_data_are_refused(table: np.ndarray, tmp_path: Path) -> None:
    stop(tmp_path / "run", table)
    changed = table.copy()
    changed[3, 2] = 0.5
    for other in (changed, table[:30], np.concatenate([table, table])):
        with pytest.raises(BadInput, match=r"was trained with|have changed since"):
            fit(model(), other, out=tmp_path / "run", resume=True, **RECIPE)


# -- damage --


def test_a_broken_newest_checkpoint_gives_way_to_the_one_before(table: np.ndarray, tmp_path: Path) -> None:
    whole = fit(model(), table, **RECIPE)
    stop(tmp_path / "run", table, 3)
    with pytest.raises(KeyboardInterrupt):
        fit(interrupt(model(), 4, press_ctrl_c), table, out=tmp_path / "run", resume=True, **RECIPE)
    older, newest = sorted((tmp_path / "run" / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-7])
    resumed = fit(model(), table, out=tmp_path / "run", resume=True, **RECIPE)
    assert older.name == "0000000003.safetensors"
    assert same(resumed, whole)


def test_a_run_without_valid_checkpoint_is_refused_in_one_line(table: np.ndarray, tmp_path: Path) -> None:
    stop(tmp_path / "run", table)
    for checkpoint in (tmp_path / "run" / "checkpoints").iterdir():
        checkpoint.write_bytes(b"broken")
    with pytest.raises(BadInput, match="truncated or damaged safetensors file") as error:
        fit(model(), table, out=tmp_path / "run", resume=True, **RECIPE)
    assert "\n" not in str(error.value)


def test_only_the_last_two_checkpoints_are_kept(table: np.ndarray, tmp_path: Path) -> None:
    stop(tmp_path / "run", table, 2)
    for steps in (1, 1, 1):
        with pytest.raises(KeyboardInterrupt):
            fit(interrupt(model(), steps, press_ctrl_c), table, out=tmp_path / "run", resume=True, **RECIPE)
    names = sorted(file.name for file in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["0000000004.safetensors", "0000000005.safetensors"]


def test_a_run_that_is_still_training_can_be_used(table: np.ndarray, tmp_path: Path) -> None:
    stop(tmp_path / "run", table)
    assert load(tmp_path / "run").reconstruct(table).isfinite().all()
