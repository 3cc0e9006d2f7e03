"""--budget: the epochs that fit into a time; the training equals one with that number of epochs."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from isthmus import create, fit, store
from isthmus.autoencoder import Autoencoder
from isthmus.errors import BadInput, Note
from isthmus.training import Run, Training, time_budget
from isthmus.training.step import Step

HOW: dict[str, Any] = {"batch_size": 8, "device": "cpu", "quiet": True, "lr": 0.01, "validation": 0.2, "test": 0.0}
LONG = HOW | {"epochs": 100_000}  # so that the time, not the recipe's epochs, is what counts
KEPT = {
    "cosine": {"schedule": "cosine", "warmup": 0.1},
    "ema": {"ema": 0.9},
    "patience": {"patience": 10_000},
}


class Clock:
    """A clock that a busy machine cannot disturb: it moves by `tick` seconds at every look, and by what is slept."""

    def __init__(self, tick: float = 0.001) -> None:
        self.now, self.tick = 0.0, tick

    def perf_counter(self) -> float:
        self.now += self.tick
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Also what `time` shows and sleeps by, for the whole test."""
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock.perf_counter)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


def model() -> Autoencoder:
    return create("undercomplete", shape=(4,), code=2)


def epochs_of(run: Path) -> float:
    return float(json.loads((run / "config.json").read_text())["about"]["training"]["epochs"])


def step_of(run: Path) -> int:
    """The step at which a training ended."""
    return int(store.checkpoints(run)[-1].stem)


def until(step: int) -> dict[str, Any]:
    """Callbacks that end a training after `step` steps, as the clock ended another one."""
    return {"step": lambda training: setattr(training.early_stopping, "budget", 0.0) if training.step == step else None}


def waits(seconds: float) -> dict[str, Any]:
    """Callbacks that make each step take so long at least."""
    return {"step": lambda training: time.sleep(seconds)}


def same(a: Run, b: Run) -> bool:
    figures = ([{k: v for k, v in row.items() if k != "seconds"} for row in run.history] for run in (a, b))
    weights = (run.model.state_dict().values() for run in (a, b))
    return next(figures) == next(figures) and all(torch.equal(x, y) for x, y in zip(*weights, strict=True))


def test_a_training_ends_in_about_its_time(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    gradient = Step.gradient

    def slow(*given: Any) -> Any:
        time.sleep(0.02)
        return gradient(*given)

    monkeypatch.setattr(Step, "gradient", slow)
    module = create("conv", shape=(1, 8, 8), channels=(8, 16))
    how: dict[str, Any] = {"batch_size": 256, "device": "cpu", "quiet": True, "epochs": 1000}
    began = clock.now
    run = fit(module, "digits", out=tmp_path / "run", budget="3s", **how)
    assert 0.8 * 3 < clock.now - began < 1.1 * 3
    assert run.finished in ("done", "stopped: the budget is spent")
    assert len(run.history) > 3


@pytest.mark.parametrize("kind", KEPT)
def test_it_is_the_training_of_that_many_epochs(kind: str, table: np.ndarray, tmp_path: Path, clock: Clock) -> None:
    """The steps that were timed leave nothing behind, in weights, means, moments or the order of the items."""
    run = fit(model(), table, out=tmp_path / "run", budget=0.75, **LONG | KEPT[kind])
    found = epochs_of(tmp_path / "run")
    assert found == int(found) > 3
    plain = fit(model(), table, callbacks=until(step_of(tmp_path / "run")), **HOW | KEPT[kind] | {"epochs": found})
    assert same(run, plain)


def test_the_codebook_is_as_it_was_too(tmp_path: Path, clock: Clock) -> None:
    clock.tick = 0.005

    def quantized() -> Autoencoder:
        return create("quantized", shape=(1, 8, 8), codes=16, dim=3, channels=(4, 8))

    how = {"batch_size": 128, "device": "cpu", "quiet": True, "ema": 0.9}
    run = fit(quantized(), "digits", out=tmp_path / "run", budget="1s", epochs=1000, **how)
    found = epochs_of(tmp_path / "run")
    assert same(run, fit(quantized(), "digits", epochs=found, callbacks=until(step_of(tmp_path / "run")), **how))


def test_a_stopped_run_resumes_to_the_planned_epochs(table: np.ndarray, tmp_path: Path, clock: Clock) -> None:
    def stop(training: Training) -> None:
        if training.step == 6:
            os.kill(os.getpid(), signal.SIGINT)

    how = LONG | {"schedule": "cosine"}
    with pytest.raises(KeyboardInterrupt):
        fit(model(), table, out=tmp_path / "run", budget=0.4, callbacks={"step": stop}, **how)
    found = epochs_of(tmp_path / "run")
    run = fit(model(), table, out=tmp_path / "run", budget="0.4s", resume=True, **how)
    assert epochs_of(tmp_path / "run") == found
    assert same(run, fit(model(), table, callbacks=until(step_of(tmp_path / "run")), **how | {"epochs": found}))
    again = fit(model(), table, out=tmp_path / "run", budget="0.4s", resume=True, **how)
    assert (again.finished, again.history) == (run.finished, run.history)


def test_another_budget_is_another_run(table: np.ndarray, tmp_path: Path) -> None:
    fit(model(), table, out=tmp_path / "run", budget="1m", epochs=1, **HOW)
    with pytest.raises(BadInput, match=r"was trained with budget=60\.0, not 5\.0; name another --out"):
        fit(model(), table, out=tmp_path / "run", budget="5s", epochs=1, resume=True, **HOW)


def test_more_than_fifty_times_the_epochs_is_not_trained_however_much_time_there_is(
    table: np.ndarray, tmp_path: Path
) -> None:
    with pytest.warns(Note, match=r"budget: .* of 2\.0 h suffice for 100 epochs; more epochs improve little"):
        run = fit(model(), table, out=tmp_path / "run", budget="2h", epochs=2, **HOW)
    assert epochs_of(tmp_path / "run") == 100
    assert (len(run.history), run.finished) == (100, "done")


def test_few_planned_epochs_may_be_a_fraction(table: np.ndarray, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_budget, "ROUND_FROM", 10**9)  # as if every epoch took seconds
    found = fit(model(), table, budget=0.5, **LONG).model.about["training"]["epochs"]
    assert found > 3
    assert found != int(found)


def test_a_machine_that_becomes_slow_trains_fewer_epochs_with_the_rate_that_goes_with_them(
    table: np.ndarray, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_budget, "REPLAN_EVERY", 0.2)
    how = LONG | {"schedule": "cosine", "out": tmp_path / "run"}
    run = fit(model(), table, budget=2.0, callbacks=waits(0.02), **how)
    assert epochs_of(tmp_path / "run") < 60
    assert run.history[-1]["lr"] < 0.1 * run.history[0]["lr"], "it ends at the end"
    again = fit(model(), table, budget=2.0, resume=True, **how)
    assert again.history == run.history


def test_where_the_steps_are_faster_than_planned_more_of_them_spend_the_budget(
    table: np.ndarray, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_budget, "REPLAN_EVERY", 0.1)
    monkeypatch.setattr(time_budget, "PLANNED_SHARE", 0.1)  # as if the machine had been busy when they were planned
    began = clock.now
    fit(model(), table, budget=2.0, **LONG | {"schedule": "cosine"})
    assert clock.now - began > 1.4


def test_slow_first_steps_do_not_end_a_training_early(
    table: np.ndarray, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_budget, "PLANNED_SHARE", 0.05)  # as if the first steps had taken 20 times as long
    began = clock.now
    fit(model(), table, budget=1.0, **LONG | {"schedule": "cosine"})
    assert clock.now - began > 0.7


def test_no_time_at_all_is_one_step(table: np.ndarray, tmp_path: Path) -> None:
    run = fit(model(), table, out=tmp_path / "run", budget=1e-4, **LONG)
    assert epochs_of(tmp_path / "run") == 1 / 4
    assert len(run.history) == 1
    assert same(run, fit(model(), table, **HOW | {"epochs": 1 / 4}))


def test_a_machine_that_becomes_slow_stops_within_a_step(table: np.ndarray, clock: Clock) -> None:
    began = clock.now
    run = fit(model(), table, budget=1.0, callbacks=waits(0.05), **LONG | {"batch_size": 1})  # 32 steps an epoch
    assert 0.9 < clock.now - began < 1.05 + 2 * 0.05
    assert run.finished == "stopped: the budget is spent"
    assert len(run.history) == 1
    assert {"loss", "validation_loss"} <= set(run.history[0])


def test_time_between_epochs_counts(table: np.ndarray, clock: Clock) -> None:
    def wait(training: Training) -> None:
        time.sleep(0.1)
        training.finished = training.finished or ("too late" if len(training.history) == 12 else "")

    began = clock.now
    run = fit(model(), table, budget=0.5, callbacks={"epoch": wait}, **LONG)
    assert run.finished == "stopped: the budget is spent"
    assert clock.now - began < 0.6


def test_time_before_the_first_step_counts(table: np.ndarray, clock: Clock) -> None:
    began = clock.now
    run = fit(model(), table, budget=1.0, callbacks={"start": lambda _: time.sleep(0.8)}, **LONG)
    assert run.finished == "stopped: the budget is spent"
    assert 0.9 < clock.now - began < 1.1


def test_a_stopped_run_resumes_with_the_remaining_time(table: np.ndarray, tmp_path: Path, clock: Clock) -> None:
    def stop(training: Training) -> None:
        time.sleep(0.05)
        if training.step == 12:
            os.kill(os.getpid(), signal.SIGINT)

    how = LONG | {"budget": 1.5, "out": tmp_path / "run"}
    began = clock.now
    with pytest.raises(KeyboardInterrupt):
        fit(model(), table, callbacks={"step": stop}, **how)
    first = clock.now - began
    time.sleep(0.5)  # which nobody has trained
    began = clock.now
    run = fit(model(), table, resume=True, callbacks=waits(0.05), **how)
    assert run.finished == "stopped: the budget is spent"
    assert 1.35 < first + clock.now - began < 2.2
    assert 16 < step_of(tmp_path / "run") < 34
