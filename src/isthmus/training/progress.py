"""Progress of a training or a verb: a bar with speed, loss and time left; plain lines without a terminal."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from isthmus.spec import Hooks

if TYPE_CHECKING:
    from isthmus.data import Data
    from isthmus.training.loop import Training

ESTIMATE_AFTER = 3.0  # seconds before the total time is estimated
LINE_EVERY = 10.0  # seconds between plain lines


class Progress:
    """A context manager; call `step` after every step, and `say` to print a sentence. quiet: print nothing.

    A Progress inside of another one is quiet: the bar of a video counts frames, not their tiles.
    """

    shown_now: ClassVar[Progress | None] = None  # the outermost

    def __init__(
        self,
        total: int,
        done: int = 0,
        quiet: bool = False,
        most: Callable[[float], float] | None = None,
        task: str = "",
    ) -> None:
        """total, done: steps. most: current time -> the most seconds that are left, of a budget. task: names the steps
        in the estimate of a command that has several tasks."""
        self.task = task
        self.most = most or (lambda now: math.inf)
        self.total, self.first, self.done, self.quiet = total, done, done, quiet
        self.began = self.shown = time.perf_counter()
        self.estimated = False
        self.bar: Any = None

    def __enter__(self) -> Progress:
        self.quiet = self.quiet or Progress.shown_now is not None
        if not self.quiet:
            Progress.shown_now = self
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (BarColumn(None), TextColumn("{task.description}"), TimeRemainingColumn(compact=True))
            self.bar = Bar(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)
            self.bar.start()
            self.row = self.bar.add_task("", total=self.total, completed=self.done)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if Progress.shown_now is self:
            Progress.shown_now = None
        if self.bar is not None:
            self.bar.stop()

    def step(self, step: int, line: Callable[[], str], last: bool = False) -> None:
        """`step` steps are done; `line` returns the text, and is called a few times a second at most."""
        self.done = step
        if self.quiet:
            return
        now = time.perf_counter()
        if not self.estimated and now - self.began > ESTIMATE_AFTER:
            self.estimated = True
            total = (now - self.began) / max(1, step - self.first) * (self.total - self.first)
            total = min(total, now - self.began + self.most(now))
            if total > 2 * ESTIMATE_AFTER:
                end = time.strftime("%H:%M", time.localtime(time.time() + total))
                self.say(f"{self.task and f'{self.task}: '}about {duration(total)} in total, until {end}")
        if self.bar is not None and (last or now - self.shown > 0.25):
            self.shown = now
            self.bar.update(self.row, completed=step, total=self.total, description=line(), refresh=True)
        elif self.bar is None and (last or now - self.shown > LINE_EVERY):
            self.shown = now
            left = min((now - self.began) / max(1, step - self.first) * (self.total - step), self.most(now))
            print(f"{line()}  {duration(left)} left" if left > 1 else line(), file=sys.stderr, flush=True)

    def say(self, sentence: str) -> None:
        if self.quiet:
            return
        if self.bar is not None:
            self.bar.console.print(sentence, highlight=False, markup=False)
        else:
            print(sentence, file=sys.stderr, flush=True)


def line_of(training: Training) -> str:
    """Epoch, speed and error of a training in one line."""
    number, meters, last = (training.step - 1) // training.epoch_steps + 1, training.meters, training.history[-1:]
    means = meters.means()  # first: it adds up waiting losses, and with them the items
    speed = meters.items / max(meters.seconds, 1e-9)
    text = f"epoch {number}/{math.ceil(training.options['epochs'])}  {speed:,.0f}/s"
    if last and (error := error_of(last[0], compares_pictures(training.module, training.data))):
        return f"{text}  validation {error}"
    text += f"  loss {means.get('loss_per_value', means['loss']):.4g}"
    if last and "validation_loss" in last[0]:
        text += f"  validation {last[0].get('validation_loss_per_value', last[0]['validation_loss']):.4g}"
    return text


def compares_pictures(module: Any, data: Data) -> bool:
    """Whether the error of a model is one of pixels, as a PSNR is: not of features, in standard deviations."""
    return len(data.shape) == 3 and not Hooks.of(module).of_features


def error_of(row: Mapping[str, Any], pictures: bool) -> str:
    """The error on the validation split: PSNR of images, else the root mean squared error; "" if unknown."""
    error = row.get("validation_mse_per_value")
    if error is None:
        return ""
    return f"PSNR {-10 * math.log10(max(error, 1e-10)):.2f} dB" if pictures else f"RMSE {math.sqrt(error):.4g}"


def duration(seconds: float) -> str:
    """'8 s', '3 min', '2.5 h'."""
    if seconds < 99:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
