"""One run of each kind, trained for a moment on the same few digits."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from isthmus import create, fit

KINDS: dict[str, dict[str, Any]] = {
    "undercomplete": {"code": 5},
    "linear": {"code": 5},
    "conv": {"code": "2x2x2", "channels": (4, 8)},
    "denoising": {"code": 6, "widths": (20,)},
    "sparse": {"code": 12},
    "contractive": {"code": 6, "widths": (10,)},
    "variational": {"code": 4, "widths": (20,)},
    "binary": {"name": "variational", "code": 4, "widths": (20,), "loss": "bce"},
    "quantized": {"codes": 16, "dim": 3, "channels": (4, 8)},
}
TRAINING = {"epochs": 3, "batch_size": 16, "device": "cpu", "quiet": True, "validation": 0.1, "test": 0.2}


@pytest.fixture(autouse=True)
def _quick(one_thread: None) -> None:
    """Every test here runs something tiny."""


@pytest.fixture(scope="session")
def digits() -> np.ndarray:
    """60 digits 1×8×8 of whole numbers from 0 to 255."""
    pixels = load_digits(return_X_y=True)[0][:60]
    return (pixels.reshape(-1, 1, 8, 8) * 255 / 16).round().astype(np.uint8)


@pytest.fixture(scope="session")
def run_of(digits: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """run_of(kind) -> a run folder, trained once; tests read it only."""

    @cache
    def run(kind: str) -> Path:
        out = tmp_path_factory.mktemp("runs") / kind
        model = create(**{"name": kind, "shape": (1, 8, 8), **KINDS[kind]})
        fit(model, digits, out=out, **TRAINING)
        return out

    return run
