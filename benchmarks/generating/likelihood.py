"""−log p(x) on binarized MNIST: the network of Burda et al. (2016), and our best recipe."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

import isthmus
from generating.models import TRAINED
from isthmus.autoencoder import load_model
from isthmus.data.builtin import builtin_arrays
from isthmus.inference.likelihood import SAMPLES, binarized, negative_log_likelihood
from isthmus.metrics import active_units
from isthmus.types import Noise, Sample
from stored_rows import Part, Row

ITEMS = 1000  # the first of the test split
PROTOCOL = (
    "MNIST, the first 1,000 test images: -log of the mean of 5,000 importance weights in nats, and its standard error "
    "over images. dynamic: pixels are drawn anew at every step, those of the test once with seed 0; fixed: the files "
    "of Larochelle. All decoders are independent Bernoulli variables. Learning rates were chosen on 10,000 held-back "
    "training images. Trainings are much shorter than the 3,280 passes of the paper: its k=1 and k=5 continue one "
    "training of k=1, of 150 passes, by 150 and 50 passes. From then on, matrix products of trainings are rounded to "
    "bfloat16."
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
FIRST = "paper, k=1, dynamic, first stage"
SECOND = {"init": FIRST, "lr": 1.5e-3, "beta_warmup": 0.0}
MODELS: dict[str, dict[str, Any]] = {
    FIRST: PAPER | DYNAMIC | {"epochs": 150},
    "paper, k=1, dynamic": PAPER | DYNAMIC | SECOND | {"epochs": 150},
    "paper, k=5, dynamic": PAPER | DYNAMIC | SECOND | {"samples": 5, "epochs": 50},
    "paper, k=1, fixed": PAPER | FIXED | {"epochs": 100},
    "best, k=1, dynamic": BEST | DYNAMIC | {"epochs": 90},
}


def fixed() -> tuple[np.ndarray, np.ndarray]:
    """(60,000 images to train on, 10,000 to test on), N×28×28 of 0 and 255."""
    with np.load(Path(os.environ["ISTHMUS_DATA"], "binarized_mnist", "binarized_mnist.npz")) as sets:
        train, test = np.concatenate([sets["train"], sets["valid"]]), sets["test"]
    return 255 * train.reshape(-1, 28, 28), 255 * test.reshape(-1, 28, 28)


def run_of(name: str) -> Path:
    """The run of that name of MODELS: kept if an earlier start has finished it, resumed if it was stopped."""
    keys = dict(MODELS[name])
    if "init" in keys:
        keys["init"] = run_of(keys["init"])
    out = TRAINED / name.replace(",", "").replace("=", "").replace(" ", "-")
    torch.set_float32_matmul_precision("highest" if name == FIRST else "medium")
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


def nll() -> None:
    """Every model but the first stage, which two others continue."""
    part = Part("generation", "nll")
    for name in MODELS:
        if name != FIRST:
            part.row(lambda name=name: measured(name), model=name)  # type: ignore[misc]
    part.end(PROTOCOL)
