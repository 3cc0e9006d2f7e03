"""The options of a training: keys, defaults and meanings, for fit() and for --set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from isthmus.errors import BadInput, unknown

TRAINING: dict[str, tuple[Any, str]] = {
    "epochs": (20, "passes over the training split; may be a fraction"),
    "least_steps": (
        0,
        "fewest steps, if neither epochs nor budget are set: a small data set gets more epochs",
    ),
    "least_batches": (0, "fewest batches per epoch, if no batch_size is set: a small data set gets smaller batches"),
    "budget": (None, "time for the training, as in 90s, 10m or 2h, from which the epochs follow"),
    "batch_size": (128, "items per step"),
    "lr": (1e-3, "highest learning rate of Adam"),
    "schedule": (
        "constant",
        "learning rate schedule: constant, cosine (to 0 at the end) or plateau (halved without improvement)",
    ),
    "warmup": (0.0, "share of the steps over which the learning rate rises from 0"),
    "weight_decay": (0.0, "weight decay of AdamW"),
    "clip": (None, "largest norm of the gradient; none: no limit"),
    "ema": (None, "decay of the moving average of the weights, such as 0.999; the average is saved; none: no average"),
    "patience": (None, "epochs without a lower validation loss after which training stops"),
    "white": (None, "value of white in integer data, such as 4095; by default from the data: 8 to 16 bits"),
    "validation": (
        0.1,
        "share of the training split for validation; the weights with the lowest validation loss are kept",
    ),
    "test": (0.1, "test share of the data, if there is no official test split"),
    "seed": (0, "seed of initialization, splits, order and noise"),
    "precision": ("32-true", "32-true, bf16-mixed or 16-mixed, as in Lightning Fabric"),
    "micro_batch": (None, "items passed at once, if a batch does not fit into memory; the result is the same"),
    "compile": (False, "use torch.compile: faster in long trainings; needs a C++ compiler"),
    "workers": (0, "processes that read, augment and corrupt the next batches; useful with a GPU"),
    "device": ("auto", "auto, cpu, cuda (or gpu) or mps"),
    "devices": (1, "processes on this machine that share each batch"),
    "nodes": (1, "machines that share each batch"),
    "strategy": (
        "auto",
        "for several processes: ddp (each holds the full model), fsdp (each holds a shard) or auto",
    ),
    "log": (None, "loggers: tensorboard, wandb or mlflow, joined by +; history.csv is always written"),
}
# Keys that do not change the result: a resumed training may have other values.
RUNTIME = ("device", "devices", "nodes", "strategy", "log", "micro_batch", "compile", "workers")
CHOICES = {
    "schedule": ("constant", "cosine", "plateau"),
    "precision": ("32-true", "bf16-mixed", "16-mixed"),
    "device": ("auto", "cpu", "cuda", "mps"),
    "strategy": ("auto", "ddp", "fsdp"),
    "compile": (True, False),
}


def settle(recipe: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every key of a training: as given, else of the recipe, else the default.

    Raises BadInput for an unknown key (with the nearest name) or an invalid value.
    """
    for key in given:
        if key not in TRAINING:
            raise unknown("training key", key, TRAINING)
    given = {key: plain(value) for key, value in given.items()}
    given |= {"device": "cuda"} if given.get("device") == "gpu" else {}
    options = {key: default for key, (default, _) in TRAINING.items()} | dict(recipe) | given
    for key, (default, _) in TRAINING.items():
        if options[key] is None and default is not None:
            raise BadInput(f"{key} is none: a value such as {default} is accepted")
    for key, choices in CHOICES.items():
        if options[key] not in choices:
            raise unknown(key, str(options[key]), map(str, choices))
    integers = {
        "least_steps": 0,
        "least_batches": 0,
        "workers": 0,
        "batch_size": 1,
        "micro_batch": 1,
        "devices": 1,
        "nodes": 1,
        "patience": 1,
        "seed": 0,
    }
    for key, least in integers.items():
        value = options[key]
        if value is not None and (not number(value, int) or not least <= value < 2**62):
            raise BadInput(f"{key} is {value}: an integer from {least} up is accepted")
    for key in ("epochs", "lr", "clip", "white"):
        value = options[key]
        if value is not None and not (number(value) and 0 < value < math.inf):
            raise BadInput(f"{key} is {value}: a number above 0 is accepted")
    for key in ("warmup", "weight_decay", "ema", "validation", "test"):
        value = options[key]
        if value is not None and not (number(value) and 0 <= value < 1):
            raise BadInput(f"{key} is {value}: a number from 0 up and below 1 is accepted")
    if options["patience"] is not None and not options["validation"]:
        raise BadInput("patience needs a validation split: set validation above 0, or patience=none")
    options["epochs"] = int(options["epochs"]) if options["epochs"] % 1 == 0 else options["epochs"]
    if options["budget"] is not None:
        options["budget"] = seconds(options["budget"])
    return options


def batch_for(options: Mapping[str, Any], count: int) -> int:
    """The batch size for `count` training items: a power of two from 8 up, so that an epoch has least_batches."""
    if not options["least_batches"]:
        return int(options["batch_size"])
    return int(min(options["batch_size"], max(8, 2 ** int(math.log2(max(1, count / options["least_batches"]))))))


def seconds(text: str | float) -> float:
    """90, "90s", "10m" or "2h" as seconds. Raises BadInput for anything else."""
    unit = {"s": 1, "m": 60, "h": 3600}.get(str(text)[-1:], 0)
    try:
        value = float(str(text)[:-1]) * unit if unit else float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise BadInput(f"budget is {text}: a time such as 90s, 10m or 2h is accepted")
    return value


def number(value: Any, kind: Any = (int, float)) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def plain(value: Any) -> Any:
    """A numpy number as a Python number, 'none' as None."""
    return None if value == "none" else value.item() if hasattr(value, "item") else value


def rate(options: Mapping[str, Any], step: int, steps: int) -> float:
    """The learning rate of `step` (from 0) out of `steps`, before a plateau's factor."""
    warmup = options["warmup"] * steps
    factor = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if options["schedule"] == "cosine":
        factor *= 0.5 * (1 + math.cos(math.pi * step / steps))
    return float(options["lr"] * factor)
