"""Who looks on: callbacks, a function a moment, and the loggers that --set log=... names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from isthmus.errors import BadInput, unknown

if TYPE_CHECKING:
    from isthmus.training.loop import Training

MOMENTS = ("start", "step", "epoch", "checkpoint", "end")
LOGGERS = ("csv", "tensorboard", "wandb", "mlflow")
STEPS_A_LINE = 50  # between what a logger is told within an epoch

Callbacks = Mapping[str, Callable[["Training"], Any]]


class CallbackList:
    """Tells callbacks and loggers how a training goes.

    callbacks: {"epoch": f, ...}; f is called with the Training after that moment: start, step, epoch, checkpoint or
    end. log: names joined by +. Raises BadInput for a moment or a logger that is not there.
    """

    def __init__(self, callbacks: Callbacks | None, log: str | None, training: Training) -> None:
        self.callbacks, self.training = callbacks or {}, training
        for moment in self.callbacks:
            if moment not in MOMENTS:
                raise unknown("moment of a training", moment, MOMENTS)
        names = [name for name in (log or "").split("+") if name and name != "csv"]  # history.csv is always written
        first = training.fabric.is_global_zero
        self.loggers = [logger(name, training) for name in names] if first else []

    def call(self, moment: str) -> None:
        training = self.training
        if self.loggers and moment == "step" and training.step % STEPS_A_LINE == 0:
            self.log({"step/loss": training.tally.means()["loss"], "step/lr": training.step_rate})
        if self.loggers and moment == "epoch":
            self.log(training.history[-1])
        if moment in self.callbacks:
            self.callbacks[moment](training)
        if moment == "end":
            for each in self.loggers:
                each.finalize("success")

    def log(self, figures: Mapping[str, float]) -> None:
        for each in self.loggers:
            each.log_metrics(dict(figures), step=self.training.step)


def logger(name: str, training: Training) -> Any:
    """One of Lightning's loggers, writing below the run folder. Raises BadInput that names the extra it needs."""
    if name not in LOGGERS:
        raise unknown("logger", name, LOGGERS)
    needs = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow"}[name]
    if find_spec(needs) is None or (name != "tensorboard" and find_spec("pytorch_lightning") is None):
        raise BadInput(f"log={name}: needs what pip install 'isthmus[{name}]' brings")
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
