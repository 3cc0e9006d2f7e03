"""A small network, and its exported files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers.backbones import Backbone, to_onnx, to_pt2
from helpers.hub import Hub


@pytest.fixture(scope="session")
def net() -> Backbone:
    torch.manual_seed(0)
    return Backbone().eval()


@pytest.fixture(scope="session")
def files(net: Backbone, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("programs")
    return {"pt2": to_pt2(net, folder / "net.pt2"), "onnx": to_onnx(net, folder / "net.onnx")}


@pytest.fixture(scope="session", params=["pt2", "onnx"])
def exported(request: pytest.FixtureRequest, files: dict[str, Path]) -> Path:
    """The network as a .pt2 and as a .onnx file."""
    return files[request.param]


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 3, 48, 40, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A local hub with an empty cache."""
    pytest.importorskip("huggingface_hub", reason="needs the extra hub: pip install 'isthmus[hub]'")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    served = Hub()
    monkeypatch.setenv("HF_ENDPOINT", served.url)
    yield served
    served.stop()
