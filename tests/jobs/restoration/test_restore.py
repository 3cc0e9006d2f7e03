"""Restoration of arrays with stand-ins for the networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.restoration import RANDOM, StandIn, identity, nearest, negative, noise
from torch import Tensor, nn

import isthmus
from isthmus.errors import BadInput
from isthmus.inference.image import restore_array

# -- arrays --


@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 3), (7, 9, 1), (7, 9, 4), (3, 7, 9), (1, 7, 9), (2, 3, 7, 9), (1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_an_array_gives_the_same_kind_of_array(shape: tuple[int, ...], dtype: Any) -> None:
    x = RANDOM.uniform(0, 1, shape).astype(dtype) if np.dtype(dtype).kind == "f" else noise(*shape).astype(dtype)
    for model in (identity(3), identity(1)):
        found = isthmus.denoise(x, model=model)
        assert found.dtype == x.dtype
        assert found.shape == shape
        assert np.allclose(found, x, atol=1e-6 if x.dtype.kind == "f" else 0)
    if dtype != np.uint16:
        found = isthmus.denoise(torch.from_numpy(x), model=identity())
        assert isinstance(found, Tensor)
        assert torch.allclose(found, torch.from_numpy(x))


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((7, 9), bool), "bool"),
        (np.full((7, 9), np.nan), "NaN or infinite"),
        (np.zeros((7, 9, 12, 8), np.uint8), "7×9×12×8 is not an image"),
        (np.zeros((0, 9), np.uint8), "0×9 is not an image"),
        (np.zeros(9, np.uint8), "9 is not an image"),
    ],
)
def test_non_images_are_refused(array: np.ndarray, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        isthmus.denoise(array, model=identity())


def test_an_option_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="strenght"):
        isthmus.denoise(noise(3, 3), model=identity(), strenght=0.5)  # type: ignore[call-arg]


# -- pixels --


def test_strength_is_how_much_of_the_change_is_made() -> None:
    x = noise(20, 20, 3, deep=True)
    assert np.array_equal(isthmus.denoise(x, model=negative(), strength=0), x)
    assert np.array_equal(isthmus.denoise(x, model=negative()), 65535 - x)
    half = isthmus.denoise(x, model=negative(), strength=0.5)
    assert np.abs(half.astype(int) - 32767).max() <= 1
    brighter = StandIn(lambda x: x + 0.1)
    gray = np.full((4, 4), 0.5, np.float32)
    assert np.allclose(isthmus.denoise(gray, model=brighter, strength=2), 0.7)
    with pytest.raises(BadInput, match="strength is -1"):
        isthmus.denoise(x, model=negative(), strength=-1)


def test_a_gray_model_restores_color_channels_one_by_one() -> None:
    x = noise(20, 30, 3)
    seen = []

    def net(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape))
        return x / 2

    found = isthmus.denoise(x, model=StandIn(net, channels=1))
    assert seen == [(1, 1, 20, 30)] * 3
    assert np.abs(found - x / 2).max() <= 0.51


def test_a_color_model_keeps_gray_images_gray() -> None:
    x = noise(20, 30)
    tint = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
    found = isthmus.denoise(x, model=StandIn(lambda x: x + tint))
    luma = 0.299 * 0.1 + 0.587 * 0.2 + 0.114 * 0.3
    assert found.shape == x.shape
    assert np.abs(found - np.clip(x + 255 * luma, 0, 255)).max() <= 1


def test_a_gray_model_upscales_luma_without_a_color_shift() -> None:
    flat = np.broadcast_to(np.array([200, 30, 90], np.uint8), (12, 9, 3))
    assert np.abs(isthmus.upscale(flat, model=nearest(3, 1)).astype(int) - [200, 30, 90]).max() <= 1
    gray = np.repeat(noise(12, 9, 1), 3, -1)
    found = isthmus.upscale(gray, model=nearest(2, 1)).astype(int)
    assert np.abs(found - gray.repeat(2, 0).repeat(2, 1)).max() <= 1
    lighter = StandIn(lambda x: F.interpolate(x, scale_factor=2) + 0.1, 1, scale=2)
    found = isthmus.upscale(flat, model=lighter).astype(int)
    assert np.abs(found - [225.5, 55.5, 115.5]).max() <= 1  # every channel by the same


@pytest.mark.parametrize("size", [(40, 40), (41, 27)])
def test_best_is_the_mean_over_eight_ways_to_turn_the_picture(size: tuple[int, int]) -> None:
    x = RANDOM.uniform(0, 1, (*size, 1)).astype(np.float32)
    shift = StandIn(lambda x: x.roll(1, -1), 1)  # which is another thing in every direction
    found, _ = restore_array(shift, x, best=True)
    expected = (np.roll(x, 1, 0) + np.roll(x, -1, 0) + np.roll(x, 1, 1) + np.roll(x, -1, 1)) / 4
    assert np.allclose(found, expected, atol=1e-6)
    assert np.allclose(restore_array(identity(1), x, best=True)[0], x, atol=1e-6)
    large = restore_array(nearest(3, 1), x, best=True)[0]
    assert np.allclose(large, x.repeat(3, 0).repeat(3, 1), atol=1e-6)


def test_best_in_tiles_is_best_at_once() -> None:
    """For sides that the stride does not divide: the grids of the eight must be those of the whole picture."""
    model = isthmus.create("denoise", shape=(1, 16, 16), channels=(4, 6), blocks=(1, 1), seed=1)
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.1)
    x = RANDOM.uniform(0, 1, (101, 83, 1)).astype(np.float32)
    for best in (False, True):
        whole, parts = (restore_array(model, x, best=best, tile=tile)[0] for tile in (512, 16))
        assert np.abs(whole - parts).max() < 1e-5
    assert np.abs(whole - x).max() > 0.01
