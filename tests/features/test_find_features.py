"""The sources of features: modules, names, the package; what a run stores of each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from helpers.backbones import Backbone, Wrong
from torch import Tensor, nn

from isthmus import models, store
from isthmus.errors import BadInput
from isthmus.features import OwnFeatures, find_features, shipped
from isthmus.registry import build, config_of, register


def test_a_module_of_the_user(images: Tensor) -> None:
    net = Backbone()  # in training mode
    features = find_features(net)
    assert find_features(features) is features
    assert features.channels == 3
    expected = net.eval()(images)
    features.train()
    assert all(torch.equal(a, b) for a, b in zip(features(images), expected, strict=True))
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_a_run_asks_for_a_module_of_the_user(images: Tensor) -> None:
    features = find_features(Backbone())
    config = json.loads(json.dumps(config_of(features)))
    assert config == {"name": "OwnFeatures", "features": {"own": "Backbone"}}
    with pytest.raises(BadInput, match=r"Backbone\): load it with isthmus.load\(run, features="):
        build(config)
    again = build(config, {"features": Backbone()})
    again.load_state_dict(features.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(again(images), features(images), strict=True))


def test_a_single_map_is_a_tuple_of_one(images: Tensor) -> None:
    assert len(find_features(nn.Conv2d(3, 4, 3))(images)) == 1
    assert len(find_features(Wrong("list"))(images)) == 2


def test_a_module_without_maps(images: Tensor) -> None:
    with pytest.raises(BadInput, match="Wrong: gives a tensor of shape 3×4; feature maps N×K×h×w are accepted"):
        find_features(Wrong("rank"))(images)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("auot", "did you mean 'auto'"),
        ("resnet50", "FILE.pt2"),
        ("weights.pth", "weights without a program"),
        ("features-of-ours", "no self-trained features 'features-of-ours'"),
        ("hub:nothing", "hub:OWNER/NAME or hub:OWNER/NAME/FILE"),
    ],
)
def test_an_unknown_source(source: str, says: str) -> None:
    with pytest.raises(BadInput, match=says) as error:
        find_features(source)
    assert "\n" not in str(error.value)


def test_a_folder_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"a .pt2 or .onnx file is accepted"):
        find_features(tmp_path)


@register
class PlainNetwork(nn.Module):
    """A registered network, as the package ships one."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.channels = 1
        self.layers = nn.Sequential(nn.Conv2d(1, width, 3, 2, 1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def test_shipped_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    with pytest.raises(BadInput, match=r"no self-trained features 'features' \(there are: none\)"):
        find_features("auto")
    net = PlainNetwork(5)
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / models.CARD).write_text("{}")
    store.write_json(tmp_path / "features" / store.CONFIG, {"format": 1, "model": config_of(net)})
    half = {name: tensor.half() for name, tensor in net.state_dict().items()}
    store.write_tensors(tmp_path / "features" / store.WEIGHTS, half)
    x = torch.rand(2, 1, 20, 20)
    for features in (find_features("auto"), find_features("features"), shipped()):
        assert isinstance(features, OwnFeatures)
        assert features.channels == 1
        assert torch.allclose(features(x)[0], net(x), atol=1e-2)
    again = build(json.loads(json.dumps(config_of(features))))  # without the package's folder
    again.load_state_dict(features.state_dict())
    assert torch.equal(again(x)[0], features(x)[0])
