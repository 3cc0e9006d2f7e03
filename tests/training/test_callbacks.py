"""Callbacks, loggers and history.csv."""

from __future__ import annotations

import csv
import os
import signal
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from isthmus import create, fit, load
from isthmus.autoencoder import Autoencoder
from isthmus.errors import BadInput
from isthmus.training import Run, Training, loop
from isthmus.training.callbacks import EVENTS
from isthmus.training.meters import Meters
from isthmus.training.progress import line_of
from isthmus.types import Losses

# 32 of 40 items in batches of 8: 4 steps an epoch
HOW = {"epochs": 3, "batch_size": 8, "device": "cpu", "quiet": True, "lr": 0.01, "validation": 0.2, "test": 0.0}


def model() -> Autoencoder:
    return create("undercomplete", shape=(4,), code=2)


def stop(at: int) -> dict[str, Any]:
    """Callbacks that press Ctrl-C after step `at`."""
    return {"step": lambda training: os.kill(os.getpid(), signal.SIGINT) if training.step == at else None}


def rows(path: Path) -> list[dict[str, float]]:
    with path.open(encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


# -- callbacks --


def test_events_come_in_order(table: np.ndarray, tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []

    def note(event: str) -> Any:
        return lambda training: told.append((event, training.step))

    fit(model(), table, out=tmp_path / "run", callbacks={event: note(event) for event in EVENTS}, **HOW)
    expected = [("checkpoint", 0), ("start", 0)]
    for epoch in range(3):
        expected += [("step", 4 * epoch + step) for step in (1, 2, 3, 4)] + [("epoch", 4 * epoch + 4)]
    assert told == [*expected, ("checkpoint", 12), ("end", 12)]


def test_attributes_for_callbacks_exist_at_every_event(table: np.ndarray, tmp_path: Path) -> None:
    met: dict[str, list[Any]] = {event: [] for event in EVENTS}

    def look(event: str) -> Any:
        def at(training: Training) -> None:
            assert training.module is module
            assert len(training.data) == 40
            assert training.options["lr"] == 0.01
            assert (training.out, training.steps) == (tmp_path / "run", 12)
            met[event].append((len(training.history), training.meters.means()["loss"], training.finished))

        return at

    module = model()
    run = fit(module, table, out=tmp_path / "run", callbacks={event: look(event) for event in EVENTS}, **HOW)
    assert [seen for seen, _, _ in met["epoch"]] == [1, 2, 3]
    assert [seen for seen, _, _ in met["step"]] == [0] * 4 + [1] * 4 + [2] * 4
    assert [loss for _, loss, _ in met["step"]][3::4] == [row["loss"] for row in run.history]
    assert met["end"] == [(3, 0, "done")]
    assert met["start"] == [(0, 0, "")]


def test_the_run_is_complete_at_the_end_event(table: np.ndarray, tmp_path: Path) -> None:
    codes: list[torch.Tensor] = []
    ends = {"end": lambda training: codes.append(load(tmp_path / "run").encode(table))}
    run = fit(model(), table, out=tmp_path / "run", callbacks=ends, **HOW)
    assert torch.equal(codes[0], run.model.encode(table))


@pytest.mark.parametrize("event", ["step", "epoch"])
def test_a_callback_ends_a_training_by_saying_why(event: str, table: np.ndarray, tmp_path: Path) -> None:
    def enough(training: Training) -> None:
        if training.step == 4:
            training.finished = "good enough"

    run = fit(model(), table, out=tmp_path / "run", callbacks={event: enough}, **HOW)
    assert run.finished == "good enough"
    assert len(run.history) == 1
    again = fit(model(), table, out=tmp_path / "run", resume=True, **HOW)
    assert (again.finished, len(again.history)) == ("good enough", 1)
    shorter = fit(model(), table, **HOW | {"epochs": 1})
    assert torch.equal(again.model.encode(table), shorter.model.encode(table))


def test_a_callback_may_end_a_training_in_the_middle_of_an_epoch(table: np.ndarray) -> None:
    def enough(training: Training) -> None:
        training.finished = "enough" if training.step == 6 else ""

    steps: list[int] = []
    run = fit(model(), table, callbacks={"step": enough, "end": lambda training: steps.append(training.step)}, **HOW)
    assert (run.finished, len(run.history), steps) == ("enough", 1, [6])


def test_an_error_in_a_callback_leaves_a_resumable_run(
    table: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0.0)  # after every step

    def fail(training: Training) -> None:
        if training.step == 6:
            raise ZeroDivisionError("of the callback's own")

    with pytest.raises(ZeroDivisionError):
        fit(model(), table, out=tmp_path / "run", callbacks={"step": fail}, **HOW)
    whole = fit(model(), table, **HOW)
    again = fit(model(), table, out=tmp_path / "run", resume=True, **HOW)
    assert torch.equal(again.model.encode(table), whole.model.encode(table))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"callbacks": {"epochs": print}}, "unknown event of a training 'epochs': did you mean 'epoch'?"),
        ({"log": "tensorbord"}, "unknown logger 'tensorbord': did you mean 'tensorboard'?"),
        ({"log": "csv+nothing"}, "unknown logger 'nothing': there are: csv, mlflow, tensorboard, wandb"),
    ],
)
def test_an_unknown_event_or_logger_is_refused_in_one_line(
    given: dict[str, Any], says: str, table: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(BadInput) as error:
        fit(model(), table, out=tmp_path / "run", **HOW, **given)
    assert str(error.value) == says
    assert not (tmp_path / "run").exists()


# -- loggers --


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_logger_that_is_not_installed_names_its_extra(name: str, table: np.ndarray, tmp_path: Path) -> None:
    if find_spec(name) and find_spec("pytorch_lightning"):
        pytest.skip(f"{name} is installed")
    with pytest.raises(
        BadInput, match=rf"^log={name}: a package is missing; pip install 'isthmus\[{name}\]' installs it$"
    ):
        fit(model(), table, out=tmp_path / "run", log=name, **HOW)
    assert not (tmp_path / "run").exists()


def scalars(run: Path) -> dict[str, dict[int, float]]:
    """What the event files of a run say: {tag: {step: value}}."""
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reading.EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: {event.step: event.value for event in events.Scalars(tag)} for tag in events.Tags()["scalars"]}


def must_tell(run: Run) -> None:
    """Raise where the event files say anything but the history."""
    assert run.path is not None
    told = scalars(run.path)
    for name in run.history[0]:
        wanted = {4 * row["epoch"]: np.float32(row[name]) for row in run.history}
        assert told[name] == wanted, name


def test_tensorboard_logs_the_history(table: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    must_tell(fit(model(), table, out=tmp_path / "run", log="tensorboard+csv", **HOW))
    assert len(rows(tmp_path / "run" / "history.csv")) == 3


def test_tensorboard_logs_steps_within_a_long_epoch(table: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    losses: dict[int, float] = {}
    listen = {"step": lambda training: losses.update({training.step: training.meters.means()["loss"]})}
    how = HOW | {"batch_size": 1, "epochs": 4}
    fit(model(), table, out=tmp_path / "run", log="tensorboard", callbacks=listen, **how)
    told = scalars(tmp_path / "run")
    assert told["step/loss"] == {step: np.float32(losses[step]) for step in (50, 100)}
    assert set(told["step/lr"]) == {50, 100}


def test_tensorboard_continues_on_resume(table: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    how = HOW | {"log": "tensorboard"}
    with pytest.raises(KeyboardInterrupt):
        fit(model(), table, out=tmp_path / "run", callbacks=stop(6), **how)
    assert set(scalars(tmp_path / "run")["loss"]) == {4}  # nothing waits in memory when a training is stopped
    must_tell(fit(model(), table, out=tmp_path / "run", resume=True, **how))


# -- history.csv --


def test_history_is_a_complete_file_after_every_epoch(table: np.ndarray, tmp_path: Path) -> None:
    found: list[list[dict[str, float]]] = []
    history: list[list[dict[str, float]]] = []

    def look(training: Training) -> None:
        found.append(rows(tmp_path / "run" / "history.csv"))
        history.append([dict(row) for row in training.history])

    fit(model(), table, out=tmp_path / "run", callbacks={"epoch": look}, **HOW)
    assert [len(file) for file in found] == [1, 2, 3]
    assert found == history


@pytest.mark.parametrize("at", [5, 8, 11])
def test_the_history_continues_on_resume(at: int, table: np.ndarray, tmp_path: Path) -> None:
    whole = fit(model(), table, **HOW)
    with pytest.raises(KeyboardInterrupt):
        fit(model(), table, out=tmp_path / "run", callbacks=stop(at), **HOW)
    fit(model(), table, out=tmp_path / "run", resume=True, **HOW)
    told = rows(tmp_path / "run" / "history.csv")
    assert [row["epoch"] for row in told] == [1, 2, 3]
    for row, undisturbed in zip(told, whole.history, strict=True):
        assert {k: v for k, v in row.items() if k != "seconds"} == {
            k: v for k, v in undisturbed.items() if k != "seconds"
        }
        assert row["seconds"] > 0


def test_the_progress_line_counts_pending_items() -> None:
    meters = Meters()
    meters.add(Losses({"reconstruction": torch.full((8,), 2.0), "penalty": torch.zeros(8)}), 8)
    meters.seconds = 0.5
    model = create("undercomplete", shape=(1, 8, 8), code=2)
    at = SimpleNamespace(step=1, epoch_steps=20, history=[], options={"epochs": 3}, meters=meters, module=model)
    assert line_of(cast(Any, at)) == "epoch 1/3  16/s  loss 2"
    at.history, at.data = (
        [{"validation_loss": -3098.6, "validation_mse_per_value": 0.01}],
        SimpleNamespace(shape=(1, 8, 8)),
    )
    assert line_of(cast(Any, at)) == "epoch 1/3  16/s  validation PSNR 20.00 dB"
    at.data.shape = (8,)
    assert line_of(cast(Any, at)) == "epoch 1/3  16/s  validation RMSE 0.1"


def test_people_read_the_error_and_metrics_json_keeps_all() -> None:
    run = fit(
        create("undercomplete", shape=(1, 12, 12), code=2),
        np.random.default_rng(0).random((40, 12, 12)),
        epochs=2,
        validation=0.2,
        quiet=True,
    )
    assert str(run.readable["validation"]).startswith("PSNR ")
    assert not {"loss", "penalty", "validation_reconstruction"} & set(run.readable)
    assert {"loss", "penalty", "validation_reconstruction", "validation_mse_per_value"} <= set(run.metrics)
