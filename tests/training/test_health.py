"""A note on a code that is of little use: once in a training, and none in a healthy one."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from isthmus import Autoencoder, create, fit
from isthmus.bottlenecks import VQ
from isthmus.errors import Note

DIGITS = (load_digits(return_X_y=True)[0][:600].reshape(-1, 8, 8) * 255 / 16).round().astype(np.uint8)
VAE: dict[str, Any] = {"name": "variational", "code": 4, "widths": (40,), "loss": "bce"}
QUANTIZED: dict[str, Any] = {"name": "quantized", "channels": (8, 16), "dim": 4}


def notes_of(model: Autoencoder) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Note)
        fit(model, DIGITS, epochs=12, batch_size=16, lr=3e-3, quiet=True, patience=None)
    return [str(each.message) for each in caught if issubclass(each.category, Note)]


def test_a_collapsed_posterior_is_noted_once_after_the_warmup() -> None:
    (note,) = notes_of(create(shape=(1, 8, 8), **VAE, beta=1000.0, beta_warmup=0.5))
    assert note.startswith("epoch 7: posterior collapse: the code holds 0.")
    assert note.endswith("try a smaller beta, a longer beta_warmup or a smaller decoder")


def test_dead_codes_are_noted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VQ, "start", lambda self, batches: None)
    model = create(shape=(1, 8, 8), **QUANTIZED, codes=256)
    model.bottleneck = VQ(model.encoder.out_shape, model.code_shape, 256, revive=0.0)
    for vectors in (model.bottleneck.codebook, model.bottleneck.sums):
        vectors[64:] += 100.0  # farther than any feature
    (note,) = notes_of(model)
    assert re.match(r"epoch 7: dead codes: [7-9]\d% of the codebook is the nearest to no feature; ", note)
    assert note.endswith("try fewer codes than 256, or revive=0.03")


@pytest.mark.parametrize(
    "keys",
    [
        VAE,
        VAE | {"samples": 3},
        QUANTIZED | {"codes": 16},
        {"name": "quantized", "quantizer": "fsq", "channels": (8, 16)},
    ],
)
def test_a_healthy_training_has_no_note(keys: dict[str, Any]) -> None:
    assert notes_of(create(shape=(1, 8, 8), **keys)) == []
