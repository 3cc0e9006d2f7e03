"""What can be asked of a training: one table of keys, defaults and meanings, for fit() and for --set alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from isthmus.errors import BadInput, unknown

TRAINING: dict[str, tuple[Any, str]] = {
    "epochs": (20, "times through the training part; may be a fraction"),
    "least_steps": (
        0,
        "where neither epochs nor budget are named: few items are gone through more often, to so many steps",
    ),
    "least_batches": (0, "where no batch_size is named: few items go in smaller batches, so many an epoch"),
    "budget": (None, "time for the training, as in 90s, 10m or 2h, from which the epochs follow"),
    "batch_size": (128, "items a step"),
    "lr": (1e-3, "learning rate of Adam at its highest"),
    "schedule": (
        "constant",
        "of the rate: constant, cosine (to 0 at the end) or plateau (halved when nothing improves)",
    ),
    "warmup": (0.0, "share of the steps over which the rate rises from 0"),
    "weight_decay": (0.0, "pull of the weights to 0 (AdamW)"),
    "clip": (None, "largest norm of the gradient; none for no limit"),
    "ema": (None, "decay of a running mean of the weights, which is then kept instead, such as 0.999"),
    "patience": (None, "stop after so many epochs with no better validation loss"),
    "white": (None, "number that is white in whole numbers, such as 4095; by default what the data hold: 8 to 16 bits"),
    "validation": (0.1, "share of the training part held back: the weights that are best on it are kept"),
    "test": (0.1, "share of the data held back for the last run, where it has no official test part"),
    "seed": (0, "of the weights, the parts, the order and all noise"),
    "precision": ("32-true", "32-true, bf16-mixed or 16-mixed, as in Lightning Fabric"),
    "micro_batch": (None, "items at once, where a batch does not fit into memory; the result is the same"),
    "compile": (False, "compile the net first (torch.compile): it pays in long trainings; needs a C++ compiler"),
    "workers": (0, "processes that read, augment and corrupt the coming batches; it pays beside a GPU"),
    "device": ("auto", "auto, cpu, cuda (or gpu) or mps"),
    "devices": (1, "processes on this machine that share each batch"),
    "nodes": (1, "machines that share each batch"),
    "strategy": ("auto", "of several processes: ddp (each has the whole model) or fsdp (each has a part)"),
    "log": (None, "tensorboard, wandb or mlflow, several joined by +; history.csv is always written"),
}
# How a training is run, not what comes out of it: these may be others when it goes on.
HOW = ("device", "devices", "nodes", "strategy", "log", "micro_batch", "compile", "workers")
CHOICES = {
    "schedule": ("constant", "cosine", "plateau"),
    "precision": ("32-true", "bf16-mixed", "16-mixed"),
    "device": ("auto", "cpu", "cuda", "mps"),
    "strategy": ("auto", "ddp", "fsdp"),
    "compile": (True, False),
}


def settle(recipe: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every key of a training: as given, else as the recipe has it, else the default.

    Raises BadInput for an unknown key (with the nearest name) or a value that cannot be.
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
    whole = {
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
    for key, least in whole.items():
        value = options[key]
        if value is not None and (not number(value, int) or not least <= value < 2**62):
            raise BadInput(f"{key} is {value}: a whole number of {least} or more is accepted")
    for key in ("epochs", "lr", "clip", "white"):
        value = options[key]
        if value is not None and not (number(value) and 0 < value < math.inf):
            raise BadInput(f"{key} is {value}: a number above 0 is accepted")
    for key in ("warmup", "weight_decay", "ema", "validation", "test"):
        value = options[key]
        if value is not None and not (number(value) and 0 <= value < 1):
            raise BadInput(f"{key} is {value}: a number from 0 up and below 1 is accepted")
    if options["patience"] is not None and not options["validation"]:
        raise BadInput("patience needs a validation part: set validation above 0, or patience=none")
    options["epochs"] = int(options["epochs"]) if options["epochs"] % 1 == 0 else options["epochs"]
    if options["budget"] is not None:
        options["budget"] = seconds(options["budget"])
    return options


def batch_for(options: Mapping[str, Any], count: int) -> int:
    """The batch size for `count` training items: a power of two, of 8 or more, that makes least_batches an epoch."""
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
    """A numpy number as Python's own, 'none' as None."""
    return None if value == "none" else value.item() if hasattr(value, "item") else value


def rate(options: Mapping[str, Any], step: int, steps: int) -> float:
    """The learning rate of `step` (from 0) out of `steps`, before a plateau's factor."""
    rising = options["warmup"] * steps
    factor = min(1.0, (step + 1) / rising) if rising else 1.0
    if options["schedule"] == "cosine":
        factor *= 0.5 * (1 + math.cos(math.pi * step / steps))
    return float(options["lr"] * factor)
