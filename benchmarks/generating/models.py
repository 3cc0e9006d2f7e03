"""The autoencoders that the parts generate with; each is trained once and kept in runs/generation."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import isthmus
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
    """The run folder that `train` fills, unless it is complete; NAME.seconds has its processor time."""
    out = TRAINED / name
    if not _seconds_file(name).exists():
        shutil.rmtree(out, ignore_errors=True)
        began = time.process_time()
        train(out)
        _seconds_file(name).write_text(f"{time.process_time() - began:.1f}")
    return out


def seconds_of(name: str) -> float:
    """The processor time of the training of a run."""
    return float(_seconds_file(name).read_text())


def _seconds_file(name: str) -> Path:
    return TRAINED / f"{name}.seconds"
