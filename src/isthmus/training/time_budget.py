"""--budget: the number of epochs that fit into a time, from timing a few steps before the training begins."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING

import torch

from isthmus.errors import Note
from isthmus.store import write_config
from isthmus.training.meters import copy_of
from isthmus.training.progress import duration

if TYPE_CHECKING:
    from isthmus.training.loop import Training

MAX_FACTOR = 50  # times the epochs of the recipe, at most: more passes over the same items improve little
PLANNED_SHARE = 0.9  # of the budget: other programs may slow the machine down
ROUND_FROM = 20  # epochs; fewer are not rounded, because the fraction would be much of the budget
REPLAN_EVERY = 10.0  # seconds
REPLAN_FROM = 0.05  # share of the planned steps by which their number has to change
UNSPENT = 0.25  # share of a budget that may be left at the planned end; of more than that, a note tells the reason
LEAST_STEPS = 300  # if fewer fit into the budget, batches become smaller, down to LEAST_BATCH
LEAST_BATCH = 8


def epochs_within(budget: float, training: Training, free_batch: bool) -> float:
    """The epochs that fit into `budget` seconds, at most MAX_FACTOR times those of the options, with a note.

    free_batch: the user named no batch size, so it may become smaller. The timed steps are real ones; afterwards
    weights, average and optimizer are as they were before.
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
        if any(training.any_rank(time.perf_counter() - began > limit and len(times) > 2)):
            break
    a_step = sum(times[1:]) / max(1, len(times) - 1) or times[0]  # the first one includes setup
    training.module.load_state_dict(weights)
    step.average.mean = mean
    step.optimizer.state.clear()
    if free_batch:
        own = size = training.options["batch_size"]
        left = PLANNED_SHARE * training.early_stopping.left(time.perf_counter())
        while size > LEAST_BATCH and left / (a_step * size / own) < LEAST_STEPS:
            size = max(LEAST_BATCH, size // 2)
        size = int(training.fabric.broadcast(torch.tensor(size)))
        a_step *= size / own
        training.options["batch_size"] = size
    validation = 0.4 * a_step * -(-len(training.validation_part) // training.options["batch_size"])  # no gradient
    learning = a_step * training.epoch_steps
    training.early_stopping.spare = validation
    full, rest = divmod(
        PLANNED_SHARE * (training.early_stopping.left(time.perf_counter()) + validation), learning + validation
    )
    epochs = full + max(0.0, rest - validation) / learning  # a partial epoch is validated, too
    most = MAX_FACTOR * training.options["epochs"]
    epochs = float(training.fabric.broadcast(torch.tensor(epochs, dtype=torch.float64)))
    if epochs * (1 - UNSPENT) > most and training.fabric.is_global_zero:
        warnings.warn(
            f"budget: {duration(most * (learning + validation))} of {duration(budget)} suffice for {most:,.0f} epochs; "
            "more epochs improve little; --epochs sets a higher number",
            Note,
            stacklevel=3,
        )
    training.most_epochs = most
    epochs = max(1 / training.epoch_steps, min(epochs, most))
    return float(int(epochs)) if epochs >= ROUND_FROM else epochs


def replan(training: Training) -> None:
    """Change the number of epochs if the machine has become faster or slower, so that the budget is spent and the
    schedule of the rate ends with it. After the last step as well: a few slow first steps must not end a training."""
    if training.options["budget"] is None:
        return
    now, fits = time.perf_counter(), float(training.steps)
    began, first, checked = training.pace
    early = training.step >= training.steps and training.early_stopping.left(now) > UNSPENT * training.options["budget"]
    if training.step > first and (now - checked > REPLAN_EVERY or early):
        fits = training.step + training.early_stopping.left(now) * (training.step - first) / (now - began)
        training.pace = began, first, now
    fits = float(training.fabric.broadcast(torch.tensor(fits, dtype=torch.float64)))
    if abs(fits / training.steps - 1) > REPLAN_FROM:
        most = training.most_epochs or training.options["epochs"]  # a resumed run gets no more epochs
        training.options["epochs"] = min(most, max(training.step + 1, int(fits)) / training.epoch_steps)
        if training.out is not None and training.fabric.is_global_zero:
            write_config(training.out, training.plain)
