"""--budget: how many epochs fit into a time, found by timing a few steps before the training begins."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING

import torch

from isthmus.errors import Note
from isthmus.model_files import write_config
from isthmus.training.meters import copy_of
from isthmus.training.progress import duration

if TYPE_CHECKING:
    from isthmus.training.loop import Training

MOST = 50  # times the recipe's own epochs: more of the same teaches little
SHARE = 0.9  # of the time is planned, because the machine may have other things to do
EVEN = 20  # epochs, from which on they are whole ones: of fewer the rest of one would be much of the budget
PACE_OF, OTHER = 10.0, 0.05  # seconds between two looks at the speed; share of the planned steps that is not little
UNSPENT = 0.25  # of a budget: more than that at the end is said

LEAST_STEPS = 300  # where fewer fit into the budget, smaller batches make more of them
LEAST_BATCH = 8


def epochs_within(budget: float, training: Training, free_batch: bool) -> float:
    """Epochs that fit into `budget` seconds: whole ones from EVEN on, at most MOST times those asked for, with a note.

    free_batch: nobody named a batch size, so it may become smaller. The steps that are timed are real ones;
    afterwards everything is as it was before them.
    """
    step, began = training.stepper, time.perf_counter()
    weights, limit = copy_of(training.module), min(5.0, 0.05 * budget)
    mean = {name: tensor.clone() for name, tensor in step.average.mean.items()}
    times: list[float] = []
    for number, batch in enumerate(training.batches(0)):
        clock = time.perf_counter()
        _, sums = step.gradient(batch, number, 0.0)
        step.apply(number, training.options["lr"], sums)
        times.append(time.perf_counter() - clock)
        if any(training.agreed(time.perf_counter() - began > limit and len(times) > 2)):
            break
    a_step = sum(times[1:]) / max(1, len(times) - 1) or times[0]  # the first one also sets things up
    training.module.load_state_dict(weights)
    step.average.mean = mean
    step.optimizer.state.clear()
    if free_batch:
        own = size = training.options["batch_size"]
        left = SHARE * training.judge.left(time.perf_counter())
        while size > LEAST_BATCH and left / (a_step * size / own) < LEAST_STEPS:
            size = max(LEAST_BATCH, size // 2)
        size = int(training.fabric.broadcast(torch.tensor(size)))
        a_step *= size / own
        training.set_batch_size(size)
    checked = 0.4 * a_step * -(-len(training.validation_part) // training.options["batch_size"])  # no gradient
    learned = a_step * training.epoch_steps
    training.judge.spare = checked
    whole, rest = divmod(SHARE * (training.judge.left(time.perf_counter()) + checked), learned + checked)
    found = whole + max(0.0, rest - checked) / learned  # what is begun is checked, too
    most = MOST * training.options["epochs"]
    found = float(training.fabric.broadcast(torch.tensor(found, dtype=torch.float64)))
    if found * (1 - UNSPENT) > most and training.fabric.is_global_zero:
        warnings.warn(
            f"budget: {duration(most * (learned + checked))} of {duration(budget)} are used, for {most:,.0f} epochs: "
            "more of the same teaches little; --epochs names more of them",
            Note,
            stacklevel=3,
        )
    training.most_epochs = most
    found = max(1 / training.epoch_steps, min(found, most))
    return float(int(found)) if found >= EVEN else found


def replan(training: Training) -> None:
    """More or fewer epochs where the machine is faster or slower than when they were planned, by the speed since the
    beginning, so that the budget is spent and the rate ends with it."""
    if training.options["budget"] is None:
        return
    now, fits = time.perf_counter(), float(training.steps)
    began, first, looked = training.pace
    if now - looked > PACE_OF:
        fits = training.step + training.judge.left(now) * (training.step - first) / (now - began)
        training.pace = began, first, now
    fits = float(training.fabric.broadcast(torch.tensor(fits, dtype=torch.float64)))
    if abs(fits / training.steps - 1) > OTHER:
        most = training.most_epochs or training.options["epochs"]  # a run that is resumed does not grow
        training.options["epochs"] = min(most, max(training.step + 1, int(fits)) / training.epoch_steps)
        if training.out is not None and training.fabric.is_global_zero:
            write_config(training.out, training.plain)


def note_unspent(training: Training) -> None:
    """Say why a training whose epochs followed from its budget is done well before it is spent."""
    left = training.judge.left(time.perf_counter())
    if training.finished == "done" and left > UNSPENT * training.judge.budget:
        warnings.warn(
            f"done {duration(left)} before the budget is spent: the steps took less time than the first ones, by which "
            f"{training.options['epochs']:.4g} epochs were planned; a longer --budget plans more of them",
            Note,
            stacklevel=3,
        )
