"""−log p(x) on binarized MNIST: the network of Burda et al. (2016), and our best recipe."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

import isthmus
from generating.models import TRAINED
from isthmus.autoencoder import load_model
from isthmus.data.builtin import builtin_arrays, open_builtin
from isthmus.inference.likelihood import SAMPLES, binarized, negative_log_likelihood
from isthmus.metrics import active_units
from isthmus.types import Noise, Sample
from stored_rows import Part, Row

ITEMS = 1000  # the first of the test split
PROTOCOL = (
    "MNIST, the first 1,000 test images: -log of the mean of 5,000 importance weights in nats, and its standard error "
    "over images. dynamic: pixels are drawn anew at every step, those of the test once with seed 0; fixed: the files "
    "of Larochelle, the same images. All decoders are independent Bernoulli variables. Learning rates were chosen on "
    "10,000 held-back training images. Trainings of the paper's network are shorter than its 3,280 passes: k=1 has "
    "600 in three cosine schedules; k=5 continues it by 105 (85.87 after 60 of them); fixed has 300 in two schedules, "
    "then 120 with weight decay and the held-back images. The best recipe has 90. Matrix products of trainings are "
    "rounded to bfloat16, but not in the first 150 passes of k=1."
)
ALIKE: dict[str, Any] = {
    "code": 50,
    "loss": "bce",
    "schedule": "cosine",
    "warmup": 0.02,
    "lr": 2e-3,
    "batch_size": 100,
    "validation": 0.0,
    "quiet": True,
}
PAPER = ALIKE | {"widths": (200, 200), "activation": "tanh"}  # 784-200-200-50 units, and their mirror image
BEST = ALIKE | {"widths": (512, 512), "activation": "silu", "norm": True, "lr": 3e-3, "batch_size": 200}
DYNAMIC = {"augment": "binarize"}
FIXED = {"validation": 1 / 6, "test": 0.0}  # the weights that are best on 10,000 held-back images
PRECISE = "paper, k=1, dynamic, stage 1"
ALL = {"validation": 0.0, "lr": 1e-3, "weight_decay": 0.01}  # the held-back images are learned from as well
STAGE: dict[str, Any] = {"lr": 1.5e-3, "beta_warmup": 0.0}  # a training that continues the one named by "init"
FIVE = STAGE | {"samples": 5}
MODELS: dict[str, dict[str, Any]] = {
    "paper, k=1, dynamic, stage 1": PAPER | DYNAMIC | {"epochs": 150},
    "paper, k=1, dynamic, stage 2": PAPER | DYNAMIC | STAGE | {"epochs": 150, "init": "paper, k=1, dynamic, stage 1"},
    "paper, k=1, dynamic": PAPER | DYNAMIC | STAGE | {"epochs": 300, "init": "paper, k=1, dynamic, stage 2"},
    "paper, k=5, dynamic, stage 1": PAPER | DYNAMIC | FIVE | {"epochs": 60, "init": "paper, k=1, dynamic"},
    "paper, k=5, dynamic": PAPER | DYNAMIC | FIVE | {"epochs": 45, "init": "paper, k=5, dynamic, stage 1"},
    "paper, k=1, fixed, stage 1": PAPER | FIXED | {"epochs": 100},
    "paper, k=1, fixed, stage 2": PAPER | FIXED | STAGE | {"epochs": 200, "init": "paper, k=1, fixed, stage 1"},
    "paper, k=1, fixed": PAPER | FIXED | STAGE | ALL | {"epochs": 120, "init": "paper, k=1, fixed, stage 2"},
    "best, k=1, dynamic": BEST | DYNAMIC | {"epochs": 90},
}


def fixed() -> tuple[np.ndarray, np.ndarray]:
    """(60,000 images to train on, 10,000 to test on), N×28×28 of 0 and 255.

    The files have the test images sorted by digit; here they are in the order of MNIST.
    """
    with np.load(Path(os.environ["ISTHMUS_DATA"], "binarized_mnist", "binarized_mnist.npz")) as sets:
        train, by_digit = np.concatenate([sets["train"], sets["valid"]]), sets["test"]
    mnist = open_builtin("mnist")
    assert mnist.labels is not None
    test = np.empty_like(by_digit)
    test[np.argsort(mnist.labels[mnist.parts["test"]], kind="stable")] = by_digit
    return 255 * train.reshape(-1, 28, 28), 255 * test.reshape(-1, 28, 28)


def folder_of(name: str) -> Path:
    return TRAINED / name.replace(",", "").replace("=", "").replace(" ", "-")


def run_of(name: str) -> Path:
    """The run of that name of MODELS: kept if an earlier start has finished it, resumed if it was stopped."""
    keys = dict(MODELS[name])
    if "init" in keys:
        keys["init"] = run_of(keys["init"])
    out = folder_of(name)
    torch.set_float32_matmul_precision("highest" if name == PRECISE else "medium")
    isthmus.train("variational", fixed()[0] if "fixed" in name else "mnist", out=out, resume=True, **keys)
    torch.set_float32_matmul_precision("highest")
    return out


def measured(name: str) -> Row:
    """−log p(x) of the first test images, which are drawn as 0 and 1 with seed 0 if they are gray."""
    model = load_model(run_of(name))
    images = fixed()[1] if "fixed" in name else builtin_arrays("mnist")[1]
    x, _ = binarized(torch.from_numpy(images[:ITEMS]).float()[:, None] / 255, Noise(0, 0, ITEMS))
    nats = negative_log_likelihood(model, Sample.of(x), SAMPLES).double()
    return {
        "nll_nats": round(float(nats.mean()), 3),
        "standard_error": round(float(nats.std()) / math.sqrt(ITEMS), 3),
        "active_units": active_units(model.encode(x, unit=True)),
        "decoder": "independent Bernoulli",
        "weights": sum(weight.numel() for weight in model.parameters()),
    }


def seconds_of(name: str) -> float:
    """The time of the training of a model and of the stages before it."""
    with (folder_of(name) / "history.csv").open(encoding="utf-8", newline="") as file:
        own = sum(float(row["seconds"]) for row in csv.DictReader(file))
    return own + (seconds_of(MODELS[name]["init"]) if "init" in MODELS[name] else 0.0)


def nll() -> None:
    """Every model but the earlier stages of others."""
    part = Part("generation", "nll")
    names = [name for name in MODELS if "stage" not in name]
    rows = [part.row(lambda name=name: measured(name), model=name) for name in names]  # type: ignore[misc]
    part.end(PROTOCOL, [row | {"training_seconds": round(seconds_of(row["model"]))} for row in rows])
