"""The training loop. Order, noise and rate depend on (seed, step) alone: a resumed run equals an uninterrupted one."""

from __future__ import annotations

import copy
import math
import shutil
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from isthmus import store
from isthmus.data import Data, record_parts
from isthmus.distributed import any_rank, fabric_of, gather
from isthmus.errors import Diverged
from isthmus.training import checkpoint
from isthmus.training.batches import Batch, batches, order, split_of
from isthmus.training.callbacks import CallbackList, Callbacks
from isthmus.training.early_stopping import EarlyStopping
from isthmus.training.health import Health
from isthmus.training.meters import WAITING, Meters, copy_of, finite
from isthmus.training.options import rate
from isthmus.training.progress import Progress, line_of
from isthmus.training.run import Run, write_history
from isthmus.training.signals import interruptible
from isthmus.training.start import start_module
from isthmus.training.step import Step
from isthmus.training.time_budget import replan
from isthmus.training.workers import WorkerBatches

CHECKPOINT_EVERY = 30.0  # seconds
GPU_CHECKS = WAITING  # steps between two checks of the loss on a GPU, each of which waits for it


class Training:
    """The state of a training, and the loop over it.

    Callbacks may read module, data, options, out, step, steps, history (a dict for each epoch), meters (the current
    epoch) and finished. A callback that sets finished to a reason ends the training after this step.
    """

    def __init__(
        self,
        module: nn.Module,
        data: Data,
        parts: dict[str, np.ndarray],
        options: dict[str, Any],
        out: Path | None,
        quiet: bool,
        callbacks: Callbacks | None = None,
    ) -> None:
        self.early_stopping = EarlyStopping(options)  # first, because it starts the clock
        self.fabric = fabric_of(options)
        self.out, self.options, self.quiet, self.data, self.parts = out, options, quiet, data, parts
        device = "cpu" if options["workers"] else self.fabric.device
        self.train_part = split_of(data, parts["train"], device)
        self.validation_part = split_of(data, parts["validation"], self.fabric.device)
        self.module = self.plain = module.train()
        if options["strategy"] == "fsdp":  # FSDP makes the module one that can only train
            self.plain = copy.deepcopy(module)
            self.plain.about = module.about  # type: ignore[assignment]
        self.stepper = Step(self.fabric, module, options)
        self.worker_batches = WorkerBatches(self)
        self.meters, self.health = Meters(), Health()
        self.callbacks = CallbackList(callbacks, options["log"], self)
        self.best: dict[str, Tensor] = {}
        self.kept: dict[str, Any] = {}  # the history row of the weights in `best`
        self.history: list[dict[str, Any]] = []
        self.step, self.finished, self.fresh = 0, "", True
        self.pace = 0.0, 0, 0.0  # time and number of the first step, and the time of the last check of the speed
        self.most_epochs = 0.0  # that a budget may plan; 0 without a plan

    @property
    def epoch_steps(self) -> int:
        return math.ceil(len(self.train_part) / self.options["batch_size"])

    @property
    def steps(self) -> int:
        return max(1, round(self.options["epochs"] * self.epoch_steps)) if self.stepper.weights else 0

    @property
    def step_rate(self) -> float:
        return rate(self.options, self.step, self.steps) * self.early_stopping.factor

    def checkpoint(self) -> None:
        self.saved = time.perf_counter()
        checkpoint.save(self)

    def run(self) -> Run:
        if self.finished:
            written = self.out is not None and all((self.out / name).is_file() for name in store.RESULTS)
            return self.close(write=not written)
        try:
            progress = Progress(self.steps, self.step, self.quiet, self.early_stopping.left)
            with interruptible() as stop, progress:
                self.begin()
                self.stepper.notify = progress.say
                while self.step < self.steps and not self.finished:
                    self.epoch(progress, stop)
            self.finished = self.finished or "done"
            self.checkpoint()
        except Diverged:
            self.finished = "diverged"
            self.close()
            raise
        except BaseException:
            if self.out is not None and self.fresh and self.step == 0 and self.fabric.is_global_zero:
                shutil.rmtree(self.out, ignore_errors=True)  # it has nothing to resume from
            raise
        finally:
            self.worker_batches.close()
        run = self.close()
        self.callbacks.call("end")
        return run

    def begin(self) -> None:
        if self.step == 0 and start_module(self) and len(self.validation_part):
            self.keep_if_best({"epoch": 0, **self.stepper.validate(self.validation_part)})  # PCA may stay the best
        self.finite_weights = copy_of(self.module)
        if self.fresh:
            self.checkpoint()  # before the config, which makes the folder a run: a run can be loaded at any time
        if self.out is not None and self.fabric.is_global_zero:
            store.write_json(self.out / store.PARTS, record_parts(self.data, self.parts))
            store.write_config(self.out, self.plain)
        self.saved = time.perf_counter()
        self.pace = time.perf_counter(), self.step, time.perf_counter()
        self.callbacks.call("start")

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, beginning with its step `first`."""
        if self.options["workers"]:
            return self.worker_batches.batches(epoch * self.epoch_steps + first, self.epoch_steps - first)
        size = self.options["batch_size"]
        rows = order(self.train_part, self.options["seed"], epoch, size)
        return batches(self.train_part, rows[first * size :], size, self.fabric)

    def epoch(self, progress: Progress, stop: threading.Event) -> None:
        """Train from the current step to the end of its epoch."""
        number, first = divmod(self.step, self.epoch_steps)
        clock, line = time.perf_counter(), partial(line_of, self)
        for batch in self.batches(number, first):
            broken = self.one_step(batch)
            ends = self.step % self.epoch_steps == 0 or self.step == self.steps
            if ends:
                self.meters.settle()  # waits for a GPU, so that the time is that of the work
            now = time.perf_counter()
            self.meters.seconds += now - clock
            clock = now
            progress.step(self.step, line, self.step == self.steps)
            self.callbacks.call("step")
            if ends:
                self.end_epoch(number)
                progress.total = self.steps
                now = time.perf_counter()
            broken, stopping, saving, late = self.any_rank(
                broken, stop.is_set(), now - self.saved > CHECKPOINT_EVERY, self.early_stopping.left(now) < 0
            )
            if broken:
                raise self.diverged()
            if late and not self.finished and self.step < self.steps:
                self.finished = "stopped: the budget is spent"
                if not ends:
                    self.end_epoch(number)
            if stopping:  # between two steps; a second Ctrl-C may come within a step, and saves nothing
                self.checkpoint()
                self.fabric.barrier()  # a rank that ended earlier would end the first rank before it has written
                raise KeyboardInterrupt
            if saving:
                self.checkpoint()
            if self.step == self.steps or self.finished:
                return

    def one_step(self, batch: Batch) -> bool:
        """Learn from a batch; return whether its loss was checked and is not finite on this rank."""
        parts, sums = self.stepper.gradient(batch, self.step, self.step / self.steps)
        for losses, count in parts:
            self.meters.add(losses, count)
        checked = self.fabric.device.type == "cpu" or self.step % GPU_CHECKS == GPU_CHECKS - 1
        broken = checked and not all(math.isfinite(losses.total) for losses, _ in parts)
        if broken and self.fabric.world_size == 1:
            raise self.diverged(self.step + 1)  # while the weights are finite; several ranks agree after the step
        self.stepper.apply(self.step, self.step_rate, sums)
        self.step += 1
        return broken

    def any_rank(self, *flags: bool) -> tuple[bool, ...]:
        """Whether each flag is set on at least one rank; on a GPU the ranks exchange flags only every few steps."""
        if self.fabric.world_size > 1 and self.fabric.device.type != "cpu" and self.step % GPU_CHECKS:
            return (False,) * len(flags)
        return any_rank(flags, self.fabric)

    def diverged(self, step: int | None = None) -> Diverged:
        """The error of a loss that is not finite at `step`; restores finite weights. A collective call."""
        self.meters.all_reduce(self.fabric)  # the term may be known to one rank only
        term = self.meters.non_finite() or "loss"
        if not finite(gather(self.module.state_dict())):
            self.module.load_state_dict(self.finite_weights)
        if not finite(gather(self.stepper.average.mean)):
            self.stepper.average.mean = self.finite_weights
        return Diverged(
            f"step {step or self.step}: the {term} is NaN or infinite; the last finite weights are kept; "
            f"a lower lr than {self.options['lr']:g} or --set clip=1000 may help"
        )

    def end_epoch(self, number: int) -> None:
        began = time.perf_counter()
        self.meters.all_reduce(self.fabric)
        if self.meters.non_finite():
            raise self.diverged()
        row = {"epoch": number + 1, "lr": self.stepper.optimizer.param_groups[0]["lr"], **self.meters.means()}
        row["seconds"] = self.meters.seconds
        if len(self.validation_part):
            row |= self.stepper.validate(self.validation_part)
        self.history.append(row)
        if self.out is not None and self.fabric.is_global_zero:
            write_history(self.out / store.HISTORY, self.history)
        self.meters, self.finite_weights = Meters(), copy_of(self.module)
        self.keep_if_best(row)
        self.health.check(self)
        replan(self)
        if self.step < self.steps:
            self.finished = self.finished or self.early_stopping.reason()
        self.callbacks.call("epoch")
        self.early_stopping.spare = time.perf_counter() - began

    def keep_if_best(self, row: dict[str, Any]) -> None:
        """Keep the weights if their validation loss is the lowest so far; without a validation split, the last."""
        better = self.early_stopping.better(row.get("validation_loss", row.get("loss", math.inf)))
        if better and len(self.validation_part):
            self.best = {name: tensor.clone() for name, tensor in self.stepper.average.weights().items()}
            self.kept = row

    def close(self, write: bool = True) -> Run:
        """Load the kept weights into the module, and write the results into the run folder."""
        kept = gather(self.best or self.stepper.average.weights())
        store.load_weights(self.plain, {name: tensor.clone() for name, tensor in kept.items()}, "training")
        self.plain.eval()
        self.plain.path = self.out  # type: ignore[assignment]
        run = Run(self.plain, self.out, self.history, self.data, self.parts, self.finished, self.kept, self.quiet)
        if write and self.out is not None and self.fabric.is_global_zero:
            store.write_tensors(self.out / store.WEIGHTS, self.plain.state_dict())
            run.write()
        self.fabric.barrier()  # no rank reads results before they are written
        return run
