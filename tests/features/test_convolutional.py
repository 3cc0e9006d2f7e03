"""The shipped features: layers, any size, gray, independence of the batch and of far pixels, size on disk."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

import isthmus
from isthmus.errors import BadInput
from isthmus.features import find_features
from isthmus.features.convolutional import ConvolutionalFeatures, folded
from isthmus.models import FOLDER
from isthmus.registry import build, config_of

PLACE = FOLDER / "features"
MEGABYTE = 2**20
REACH = 140  # of the shipped network, in pixels from the center of its receptive field


@pytest.fixture(scope="module")
def shipped() -> ConvolutionalFeatures:
    network = build(json.loads((PLACE / "config.json").read_text())["model"])
    network.load_state_dict(load_file(PLACE / "model.safetensors"))
    return network.float().eval()


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (256, 96), (97, 65), (33, 50), (8, 8)])
def test_layers_have_strides_4_8_and_16_at_any_size(shipped: ConvolutionalFeatures, size: tuple[int, int]) -> None:
    layers = shipped(torch.rand(2, 3, *size))
    widths = shipped.widths
    for layer, width, stride in zip(layers, widths, (4, 8, 16), strict=True):
        assert layer.shape == (2, width, *(-(-side // stride) for side in size))
        assert layer.isfinite().all()


@torch.no_grad()
def test_gray_is_gray_in_three_channels(shipped: ConvolutionalFeatures) -> None:
    x = torch.rand(2, 1, 48, 64)
    for one, three in zip(shipped(x), shipped(x.repeat(1, 3, 1, 1)), strict=True):
        assert torch.equal(one, three)


@torch.no_grad()
def test_an_image_has_the_same_features_in_any_batch(shipped: ConvolutionalFeatures) -> None:
    x = torch.rand(5, 3, 64, 64)
    for together, alone in zip(shipped(x), shipped(x[2:3]), strict=True):
        torch.testing.assert_close(together[2:3], alone, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_far_pixels_change_nothing(shipped: ConvolutionalFeatures) -> None:
    x = torch.rand(1, 3, 64, 448)
    y = x.clone()
    y[..., 300:] = torch.rand(1, 3, 64, 148)
    for stride, before, after in zip((4, 8, 16), shipped(x), shipped(y), strict=True):
        near = (300 - REACH) // stride
        torch.testing.assert_close(before[..., :near], after[..., :near], rtol=1e-4, atol=1e-4)
        assert not torch.allclose(before, after)


@torch.no_grad()
def test_folding_batch_norms_keeps_the_features() -> None:
    torch.manual_seed(0)
    trained = ConvolutionalFeatures((8, 12), stem=4, norm=True)
    for _ in range(5):
        trained(torch.rand(4, 3, 32, 32))
    plain = folded(trained.eval())
    assert not any("running" in key for key in plain.state_dict())
    assert config_of(plain)["norm"] is False
    x = torch.rand(2, 3, 40, 24)
    for before, after in zip(trained(x), plain(x), strict=True):
        torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-4)


def test_the_package_has_them_in_half_precision() -> None:
    assert {value.dtype for value in load_file(PLACE / "model.safetensors").values()} == {torch.float16}
    assert sum(file.stat().st_size for file in PLACE.iterdir()) <= 4 * MEGABYTE
    card = json.loads((PLACE / "card.json").read_text())
    for key in (
        "name",
        "use",
        "recipe",
        "data",
        "licence",
        "weights",
        "steps",
        "seconds",
        "machine",
        "date",
        "figures",
    ):
        assert card[key]


@pytest.mark.parametrize("name", ["auto", "features"])
def test_they_are_found_by_name(shipped: ConvolutionalFeatures, name: str) -> None:
    features, x = find_features(name), torch.rand(1, 3, 32, 32)
    assert features.channels == 3
    for found, layer in zip(features(x), shipped(x), strict=True):
        assert torch.equal(found, layer)


def test_they_are_no_autoencoder() -> None:
    with pytest.raises(BadInput, match="features: holds a ConvolutionalFeatures, which is no autoencoder"):
        isthmus.load("features")


@torch.no_grad()
def test_layers_are_alive_and_of_one_scale(shipped: ConvolutionalFeatures) -> None:
    """No channel is constant on noise, and no layer is much larger than another in a distance."""
    stds = [layer.std((0, 2, 3)) for layer in shipped(torch.rand(4, 3, 96, 96))]
    assert min(std.min() for std in stds) > 0
    means = [float(std.mean()) for std in stds]
    assert max(means) < 10 * min(means)
