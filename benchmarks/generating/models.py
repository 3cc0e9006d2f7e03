"""The autoencoders that the parts generate with; each is trained once and kept in runs/generation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import isthmus
import stored_rows
from generating.sets import training_images
from isthmus.autoencoder import Autoencoder
from stored_rows import RUNS

TRAINED = RUNS / "generation"
ALIKE: dict[str, Any] = {"precision": "bf16-mixed", "quiet": True, "seed": 0, "validation": 0.0, "patience": None}
CODES = {"mnist": 16, "fashion-mnist": 16, "patches": 64}  # numbers; 16 as in Ghosh et al. 2020
MODELS: dict[str, dict[str, Any]] = {  # convolutional, of two stages
    "AE": {"recipe": "conv", "epochs": 4},
    "VAE": {"recipe": "variational", "net": "conv", "epochs": 4},
    "VQ-VAE": {"recipe": "quantized", "codes": 128, "code": "7x7", "epochs": 4},
}


def autoencoder(name: str, data: str) -> Autoencoder:
    """The trained model of MODELS for a set of generating.sets."""
    keys = {"code": CODES[data]} | ({"loss": "bce"} if data == "mnist" else {}) | MODELS[name]
    run = finished(f"{name}-{data}", lambda out: isthmus.train(data=training_images(data), out=out, **ALIKE | keys))
    return isthmus.load(run)


def finished(name: str, train: Callable[[Path], Any]) -> Path:
    """The run TRAINED / name, filled by `train` unless an earlier start has finished it."""
    return stored_rows.finished(TRAINED / name, train)


def seconds_of(name: str) -> float:
    """The processor time of the training of a run."""
    return stored_rows.seconds_of(TRAINED / name)
