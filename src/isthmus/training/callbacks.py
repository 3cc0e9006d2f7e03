"""Callbacks, one function for each event, and the loggers that --set log=... names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from isthmus.errors import BadInput, unknown

if TYPE_CHECKING:
    from isthmus.training.loop import Training

EVENTS = ("start", "step", "epoch", "checkpoint", "end")
LOGGERS = ("csv", "tensorboard", "wandb", "mlflow")
STEPS_A_LINE = 50  # steps between two entries of a logger within an epoch

Callback = Callable[["Training"], Any]
Callbacks = Mapping[str, Callback]


class CallbackList:
    """The callbacks and loggers of a training.

    callbacks: {"epoch": f, ...}; f is called with the Training after that event: start, step, epoch, checkpoint or end.
    log: names joined by +. Raises BadInput for an unknown event or logger.
    """

    def __init__(self, callbacks: Callbacks | None, log: str | None, training: Training) -> None:
        self.callbacks, self.training = callbacks or {}, training
        for event in self.callbacks:
            if event not in EVENTS:
                raise unknown("event of a training", event, EVENTS)
        names = [name for name in (log or "").split("+") if name and name != "csv"]  # history.csv is always written
        first = training.fabric.is_global_zero
        self.loggers = [logger(name, training) for name in names] if first else []

    def call(self, event: str) -> None:
        training = self.training
        if self.loggers and event == "step" and training.step % STEPS_A_LINE == 0:
            self.log({"step/loss": training.meters.means()["loss"], "step/lr": training.step_rate})
        if self.loggers and event == "epoch":
            self.log(training.history[-1])
        if event in self.callbacks:
            self.callbacks[event](training)
        if event == "end":
            for each in self.loggers:
                each.finalize("success")

    def log(self, figures: Mapping[str, float]) -> None:
        for each in self.loggers:
            each.log_metrics(dict(figures), step=self.training.step)


def logger(name: str, training: Training) -> Any:
    """A logger of Lightning that writes into the run folder. Raises BadInput naming the extra that is missing."""
    if name not in LOGGERS:
        raise unknown("logger", name, LOGGERS)
    needs = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow"}[name]
    if find_spec(needs) is None or (name != "tensorboard" and find_spec("pytorch_lightning") is None):
        raise BadInput(f"log={name}: a package is missing; pip install 'isthmus[{name}]' installs it")
    where = training.out or "."
    title = training.out.name if training.out else "isthmus"
    if name == "tensorboard":
        from lightning_fabric.loggers.tensorboard import TensorBoardLogger

        made: Any = TensorBoardLogger(where, name="tensorboard", version="")
    elif name == "wandb":
        from pytorch_lightning.loggers import WandbLogger

        made = WandbLogger(name=title, save_dir=str(where), project="isthmus")
    else:
        from pytorch_lightning.loggers import MLFlowLogger

        made = MLFlowLogger("isthmus", run_name=title)
    made.log_hyperparams(training.options)
    return made
