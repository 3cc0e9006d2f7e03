"""Features of timm, replaced by a stub of the functions that are called."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from isthmus.errors import BadInput
from isthmus.features import TimmFeatures, find_features
from isthmus.registry import build, config_of

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class FeatureNet(nn.Module):
    """What timm.create_model(features_only=True) returns: layers of strides 2, 4, 8, ..., cut at the last one."""

    def __init__(self, indices: Sequence[int], pretrained: bool, fixed: bool) -> None:
        super().__init__()
        self.indices = indices
        self.convs = nn.ModuleList(nn.Conv2d(3 if i == 0 else 4, 4, 3, 2, 1) for i in range(max(indices) + 1))
        nn.init.constant_(self.convs[0].bias, 1.0 if pretrained else 0.0)
        self.feature_info = SimpleNamespace(
            out_indices=tuple(indices), reduction=lambda: [2 ** (i + 1) for i in self.indices]
        )
        self.pretrained_cfg = {"mean": MEAN, "std": STD, "input_size": (3, 32, 32), "fixed_input_size": fixed}

    def forward(self, x: Tensor) -> list[Tensor]:
        found = []
        for conv in self.convs:
            x = conv(x)
            found.append(x)
        return [found[i] for i in self.indices]


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The calls of the stub's create_model."""
    calls: list[dict[str, Any]] = []

    def create_model(name: str, pretrained: bool, features_only: bool, out_indices: Any = (0, 1, 2, 3, 4)) -> nn.Module:
        calls.append({"name": name, "pretrained": pretrained, "out_indices": tuple(out_indices)})
        assert features_only
        if name == "offline" and pretrained:
            raise OSError("no network\nat all")
        return FeatureNet(out_indices, pretrained, name == "vit")

    names = ["resnet18", "vit", "offline"]
    stub = SimpleNamespace(create_model=create_model, is_model=names.__contains__, list_models=lambda: names)
    monkeypatch.setitem(sys.modules, "timm", stub)
    return calls


def test_layers_of_strides_8_and_16(created: list[dict[str, Any]], images: Tensor) -> None:
    features = find_features("timm:resnet18")
    assert isinstance(features, TimmFeatures)
    assert features.network.convs[0].bias[0] == 1  # pretrained
    assert [call["pretrained"] for call in created].count(True) == 1
    normalized = (images - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    expected = features.network(normalized)
    assert [layer.shape[2:] for layer in expected] == [(6, 5), (3, 3)]
    assert all(torch.allclose(a, b) for a, b in zip(features(images), expected, strict=True))


def test_a_run_downloads_nothing(created: list[dict[str, Any]], images: Tensor) -> None:
    features = find_features("timm:resnet18")
    config = json.loads(json.dumps(config_of(features)))
    assert config == {"name": "TimmFeatures", "model": "resnet18", "indices": [2, 3]}
    created.clear()
    again = build(config)
    again.load_state_dict(features.state_dict())
    assert not any(call["pretrained"] for call in created)
    assert all(torch.equal(a, b) for a, b in zip(again(images), features(images), strict=True))


def test_a_model_of_one_size(created: list[dict[str, Any]]) -> None:
    assert find_features("timm:vit")(torch.rand(2, 3, 64, 64))[0].shape[2:] == (4, 4)


def test_errors_of_timm(created: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="unknown model of timm 'resnet81': did you mean 'resnet18'"):
        find_features("timm:resnet81")
    with pytest.raises(BadInput, match=r"timm:offline: its weights cannot be loaded \(no network\)"):
        find_features("timm:offline")
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(BadInput, match="needs timm, which needs torchvision: pip install timm torchvision"):
        find_features("timm:resnet18")
