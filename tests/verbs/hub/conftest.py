"""A local hub, and a run to publish."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.hub import RIGHT, Hub
from safetensors.torch import save_file

import isthmus


@pytest.fixture(autouse=True)
def _quick(one_thread: None) -> None:
    """Every test here runs something tiny."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of huggingface_hub, which reads where it lies when it is imported."""
    pytest.importorskip("huggingface_hub", reason="needs the extra hub: pip install 'isthmus[hub]'")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", RIGHT)
    return tmp_path / "cache"


@pytest.fixture
def hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    served = Hub()
    monkeypatch.setenv("HF_ENDPOINT", served.url)
    yield served
    served.stop()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder as a training on a file leaves it, and beside it what may never be published."""
    folder = tmp_path_factory.mktemp("Anna & Bob") / "patients"
    folder.mkdir()
    np.save(folder / "scans.npy", np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8))
    run = folder / "run"
    model = isthmus.create("variational", shape=(1, 8, 8), code=3, widths=(8,))
    isthmus.fit(model, str(folder / "scans.npy"), out=run, epochs=2, quiet=True, device="cpu", validation=0.2)
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    run = tmp_path / "runs" / "mine"
    shutil.copytree(trained, run)
    save_file({"mean": torch.arange(3.0)}, run / "prior.safetensors")
    save_file({"secret": torch.arange(3.0)}, run / ".hidden.safetensors")
    for name in (".model.safetensors.7.tmp", ".env", "notes.txt", "model.pkl", "weights.bin"):
        (run / name).write_bytes(b"private")
    return run
