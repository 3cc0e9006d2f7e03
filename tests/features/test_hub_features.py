"""Features from a hub: one file, cached and verified."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.backbones import Backbone
from helpers.hub import Hub
from torch import Tensor

from isthmus.errors import BadInput
from isthmus.features import find_features


def test_the_only_program_of_a_repository(
    hub: Hub, net: Backbone, exported: Path, images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.publish("them/net", {exported.name: exported.read_bytes(), "README.md": b"a card", "model.bin": b"a pickle"})
    features = find_features("hub:them/net")
    assert torch.allclose(features(images)[1], net(images)[1], atol=1e-5)
    assert hub.got == {exported.name}
    hub.stop()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    assert torch.equal(find_features("hub:them/net")(images)[1], features(images)[1])  # from the cache
    assert torch.equal(find_features(f"hub:them/net/{exported.name}")(images)[1], features(images)[1])


def test_one_of_several(hub: Hub, exported: Path) -> None:
    content = exported.read_bytes()
    hub.publish("them/many", {f"a/{exported.name}": content, f"b/{exported.name}": content})
    with pytest.raises(BadInput, match=f"it has a/{exported.name}, b/{exported.name}; name one as in hub:them/many/a/"):
        find_features("hub:them/many")
    find_features(f"hub:them/many/b/{exported.name}")
    assert hub.got == {f"b/{exported.name}"}
    with pytest.raises(BadInput, match=r"c.onnx is no .onnx or .pt2 file of this repository"):
        find_features("hub:them/many/c.onnx")


def test_no_program(hub: Hub) -> None:
    hub.publish("them/none", {"model.bin": b"a pickle"})
    with pytest.raises(BadInput, match=r"them/none: it has no .onnx or .pt2 file"):
        find_features("hub:them/none")
    with pytest.raises(BadInput, match="no such repository"):
        find_features("hub:them/missing")
    assert not hub.got


def test_wrong_bytes_in_the_cache(hub: Hub, files: dict[str, Path], tmp_path: Path) -> None:
    hub.publish("them/net", {"net.pt2": files["pt2"].read_bytes()})
    find_features("hub:them/net")
    blob = next(path for path in (tmp_path / "cache").rglob("blobs/*") if path.is_file())
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    with pytest.raises(BadInput, match=r"them/net/net.pt2: wrong checksum"):
        find_features("hub:them/net")
    find_features("hub:them/net")  # downloaded again


def test_a_file_that_is_no_program(hub: Hub) -> None:
    hub.publish("them/text", {"net.pt2": b"a text"})
    with pytest.raises(BadInput, match=r"^them/text/net.pt2: truncated, or not a file of torch.export.save$"):
        find_features("hub:them/text")


def test_without_network(hub: Hub) -> None:
    hub.stop()
    with pytest.raises(BadInput, match="cannot be reached") as error:
        find_features("hub:them/net")
    assert "\n" not in str(error.value)
