"""Dense networks that start at the mean item."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from isthmus import create, fit, load
from isthmus.networks import DenseEncoder
from isthmus.types import Sample


def test_a_dense_variational_net_subtracts_the_mean_item_and_starts_its_output_there(digits: np.ndarray) -> None:
    model, x = create("variational", shape=(1, 8, 8), code=4, loss="bce"), torch.from_numpy(digits).float() / 255
    model.start([Sample.of(part) for part in x.split(16)])
    mean = x.mean(0)
    assert torch.allclose(model.encoder.mean, mean.flatten(), atol=1e-6)
    assert torch.equal(model.encoder(mean[None]), model.encoder.layers(torch.zeros(1, 64)))
    assert torch.allclose(model.decode(torch.zeros(1, 4))[0], mean.clamp(0.01, 0.99), atol=1e-5)


def test_the_mean_item_is_kept_with_the_run(digits: np.ndarray, tmp_path: Path) -> None:
    run = fit(create("variational", shape=(1, 8, 8), code=4), digits, out=tmp_path / "run", epochs=1, quiet=True)
    loaded = load(tmp_path / "run")
    assert loaded.encoder.mean.any()
    assert torch.equal(loaded.encoder.mean, run.model.encoder.mean)
    assert torch.equal(loaded.encode(digits), run.model.encode(digits))


def test_another_dense_net_has_no_mean() -> None:
    assert "mean" not in dict(DenseEncoder((1, 8, 8), (5,)).named_buffers())
    assert not create("denoising", shape=(1, 8, 8), code=8).encoder.center
