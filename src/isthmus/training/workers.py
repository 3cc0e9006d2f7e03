"""Worker processes that read, augment and corrupt the batches of the coming steps.

A corruption drawn with Pillow, or computed photon by photon, keeps a GPU waiting. The noise of a step follows from
(seed, step) alone, so a batch is the same whichever process prepares it, at any time.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING

import torch
from torch.multiprocessing import get_context  # passes tensors in shared memory

from isthmus.distributed import rank_rows
from isthmus.spec import Hooks
from isthmus.training.batches import Batch, order
from isthmus.types import Context, Noise

if TYPE_CHECKING:
    from isthmus.training.loop import Training

AHEAD = 4  # batches that a worker prepares in advance


class PreparedSteps:
    """The number of a step -> its corrupted batch on the CPU."""

    def __init__(self, training: Training) -> None:
        self.data, self.corrupt = training.train_part, Hooks.of(training.plain).corrupted
        self.size, self.seed = training.options["batch_size"], training.options["seed"]
        self.epoch_steps, self.steps = training.epoch_steps, training.steps
        self.rank = SimpleNamespace(world_size=training.fabric.world_size, global_rank=training.fabric.global_rank)
        self.epoch, self.order = -1, torch.empty(0)

    def __getitem__(self, step: int) -> Batch:
        epoch, number = divmod(step, self.epoch_steps)
        if epoch != self.epoch:
            self.epoch, self.order = epoch, order(self.data, self.seed, epoch, self.size)
        chosen = self.order[number * self.size : (number + 1) * self.size]
        mine = rank_rows(len(chosen), self.rank)  # type: ignore[arg-type]
        counted = mine.stop - mine.start
        mine = mine if counted else slice(0, 1)
        sample = self.data.sample(chosen[mine]).in_units()
        ctx = Context(Noise(self.seed, step, len(chosen), mine), step / self.steps)
        if self.corrupt is not None:
            sample = self.corrupt(sample, ctx).replace(corrupted=True)
        return Batch(sample, mine, len(chosen), counted)


class WorkerBatches:
    """The batches of a training in the order of its steps; the workers start with the first request."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.pool: ProcessPoolExecutor | None = None
        self.coming: deque[tuple[int, Future[Batch]]] = deque()

    def batches(self, first: int, count: int) -> Iterator[Batch]:
        """The batches of `count` steps, beginning with the step `first`."""
        steps, workers = self.training.steps, self.training.options["workers"]
        for step in range(first, min(first + count, steps)):
            if not self.coming or self.coming[0][0] != step:  # the first step, or other steps than the workers prepare
                self.close()
                self.pool = ProcessPoolExecutor(
                    workers, get_context(), initializer=begin_worker, initargs=(PreparedSteps(self.training),)
                )
            assert self.pool is not None
            ahead = self.coming[-1][0] + 1 if self.coming else step
            for coming in range(ahead, min(step + 1 + AHEAD * workers, steps)):
                self.coming.append((coming, self.pool.submit(prepare, coming)))
            yield self.coming.popleft()[1].result()

    def close(self) -> None:
        """End the workers without waiting for their batches."""
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
        self.pool = None
        self.coming.clear()


_steps: PreparedSteps | None = None  # of this process, if it is a worker


def begin_worker(steps: PreparedSteps) -> None:
    """Ignore Ctrl-C: the training still needs the current batch to finish its step."""
    global _steps
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    _steps = steps


def prepare(step: int) -> Batch:
    assert _steps is not None
    with torch.no_grad():
        return _steps[step]
