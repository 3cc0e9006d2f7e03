"""Exported programs: the numbers of the module, in a run that needs no path; and files that cannot be used."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.backbones import Backbone, Transformer, Wrong, to_onnx, to_pt2
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from isthmus.errors import BadInput
from isthmus.features import ExportedFeatures, find_features
from isthmus.registry import build, config_of


def close(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> bool:
    return len(found) == len(expected) and all(
        torch.allclose(a, b, atol=1e-5) for a, b in zip(found, expected, strict=True)
    )


def test_a_program_gives_the_numbers_of_its_module(net: Backbone, exported: Path, images: Tensor) -> None:
    features = find_features(exported)
    assert features.channels == 3
    with torch.no_grad():
        for x in (images, images[:1, :, :33, :31], torch.zeros(2, 3, 64, 64)):  # any number, any size
            found = features(x)
            assert close(found, net(x))
            assert all(layer.isfinite().all() for layer in found)


def test_a_program_stays_frozen(exported: Path, images: Tensor) -> None:
    features = find_features(exported)
    before = features(images)
    assert not features.train().training
    assert all(torch.equal(a, b) for a, b in zip(features(images), before, strict=True))  # no dropout
    assert not any(parameter.requires_grad for parameter in features.parameters())


def test_gradients_reach_the_images_through_pt2(net: Backbone, files: dict[str, Path], images: Tensor) -> None:
    x, y = images.clone().requires_grad_(), images.clone().requires_grad_()
    find_features(files["pt2"])(x)[1].square().sum().backward()
    net(y)[1].square().sum().backward()
    assert torch.allclose(x.grad, y.grad, atol=1e-4)


def test_a_run_holds_the_file(net: Backbone, exported: Path, images: Tensor, tmp_path: Path) -> None:
    features = find_features(exported)
    (tmp_path / "config.json").write_text(json.dumps(config_of(nn.Sequential(features)[0])))
    save_file(features.state_dict(), tmp_path / "model.safetensors")
    config = (tmp_path / "config.json").read_text()
    assert str(exported.parent) not in config
    again: ExportedFeatures = build(json.loads(config))
    with pytest.raises(BadInput, match="wrong checksum"):
        again(images)  # zeros, before the weights are loaded
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert close(again(images), net(images))
    assert close(copy.deepcopy(again)(images), net(images))
    assert close(again.to(torch.float64)(images), net(images))


def test_of_a_damaged_run_no_byte_is_run(exported: Path, images: Tensor) -> None:
    features = find_features(exported)
    state = features.state_dict()
    state["content"] = state["content"].clone()
    state["content"][-1] ^= 1
    features.load_state_dict(state)
    with pytest.raises(BadInput, match="damaged"):
        features(images)


@pytest.mark.parametrize("export", [to_pt2, to_onnx])
def test_images_are_resized_to_a_program_of_one_size(export: Any, net: Backbone, tmp_path: Path) -> None:
    features = find_features(export(net, tmp_path / f"net.{export.__name__[3:]}", (2, 3, 32, 40), fixed=True))
    flat = torch.full((5, 3, 64, 80), 0.3)  # resized, it stays flat; five images in batches of two
    assert close(features(flat), net(flat[:, :, :32, :40]))
    x = torch.rand(3, 3, 32, 40)
    assert close(features(x), net(x))


@pytest.mark.parametrize("export", [to_pt2, to_onnx])
def test_a_transformer(export: Any, tmp_path: Path) -> None:
    net = Transformer().eval()
    path = export(net, tmp_path / f"net.{export.__name__[3:]}")
    x = torch.rand(3, 3, 48, 56)
    with torch.no_grad():
        assert close(find_features(path)(x), tuple(net(x).values()))


def test_one_channel(tmp_path: Path) -> None:
    features = find_features(to_pt2(Backbone(1).eval(), tmp_path / "gray.pt2", (2, 1, 64, 64)))
    assert features.channels == 1
    assert config_of(features)["channels"] == 1


# -- refused --


@pytest.mark.parametrize("export", [to_pt2, to_onnx])
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("rank", "gives a tensor of shape 1×4; feature maps N×K×h×w are accepted"),
        ("channels", "images of 5 channels; 1 or 3"),
        ("infinite", "NaN or infinite"),
    ],
)
def test_a_program_without_feature_maps(export: Any, kind: str, says: str, tmp_path: Path) -> None:
    size = (2, 5 if kind == "channels" else 3, 64, 64)
    path = export(Wrong(kind).eval(), tmp_path / f"net.{export.__name__[3:]}", size)
    with pytest.raises(BadInput, match=says) as error:
        find_features(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_truncated_file(exported: Path, tmp_path: Path) -> None:
    path = tmp_path / exported.name
    for share in (0.3, 0.99):
        path.write_bytes(exported.read_bytes()[: int(exported.stat().st_size * share)])
        with pytest.raises(BadInput, match=exported.suffix) as error:
            find_features(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", ["pt2", "onnx"])
def test_a_text_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"notes.{suffix}"
    for content, says in ((b"no program, but a text", "not a"), (b"", "empty")):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=says):
            find_features(path)
    with pytest.raises(BadInput, match="no such file"):
        find_features(tmp_path / f"missing.{suffix}")


def test_a_file_over_the_limit(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isthmus.features.exported.LIMIT", 1000)
    with pytest.raises(BadInput, match="at most"):
        find_features(exported)


def test_training_mode(tmp_path: Path) -> None:
    path = to_pt2(Backbone().train(), tmp_path / "training.pt2")
    with pytest.raises(BadInput, match="eval mode"):
        find_features(path)


def test_weights_in_another_file(net: Backbone, files: dict[str, Path], tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "large.onnx"
    onnx.save(onnx.load(files["onnx"]), path, save_as_external_data=True, location="large.data", size_threshold=0)
    with pytest.raises(BadInput, match="external_data=False"):
        find_features(path)


def test_onnx_without_onnxruntime(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(BadInput, match=r"pip install 'isthmus\[onnx\]'"):
        find_features(files["onnx"])
