"""Tiles equal a single pass for any size, stride, reach and scale, up to float rounding."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.inference.tiles import apply_tiled, tile_bounds
from isthmus.networks import UNetDecoder, UNetEncoder

RANDOM = np.random.default_rng(0)
pytestmark = pytest.mark.usefixtures("one_thread")


def together(
    function: Callable[..., Tensor], x: np.ndarray, *sides: np.ndarray, scale: int = 1, **how: Any
) -> np.ndarray:
    """The parts put together; NaN where none came, and an error where two did."""
    whole: list[np.ndarray] = []

    def write(part: np.ndarray, top: int, left: int) -> None:
        if not whole:
            whole.append(np.full((len(part), x.shape[1] * scale, x.shape[2] * scale), np.nan, np.float32))
        place = whole[0][:, top : top + part.shape[1], left : left + part.shape[2]]
        assert place.shape == part.shape
        assert np.isnan(place).all()
        place[...] = part

    with torch.no_grad():
        apply_tiled(function, x, *sides, write=write, scale=scale, **how)
    assert not np.isnan(whole[0]).any()
    return whole[0]


def blur(radius: int) -> Callable[[Tensor], Tensor]:
    """Sees `radius` to each side, and pads with zeros, as a net's layers do where the picture ends."""
    width = 2 * radius + 1
    kernel = torch.from_numpy(RANDOM.uniform(0, 1, (1, 1, width, width)).astype(np.float32)) / width**2
    return lambda x: torch.cat([F.conv2d(plane, kernel, padding=radius) for plane in x.split(1, 1)], 1)


def nearest(scale: int) -> Callable[[Tensor], Tensor]:
    return lambda x: F.interpolate(x, scale_factor=scale, mode="nearest")


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (37, 50), (64, 64), (65, 129), (200, 33)])
@pytest.mark.parametrize("tile", [1, 3, 16, 40])
def test_every_pixel_comes_once_and_as_it_was(size: tuple[int, int], tile: int) -> None:
    x = RANDOM.integers(0, 256, (3, *size), dtype=np.uint8)
    for scale in (1, 2):
        if tile == 1 and size[0] * size[1] > 500:
            continue  # thousands of tiles
        found = together(nearest(scale), x, reach=0, tile=tile, scale=scale)
        assert np.allclose(found * 255, x.repeat(scale, 1).repeat(scale, 2), atol=1e-3)


@pytest.mark.parametrize("reach", [1, 3, 9])
@pytest.mark.parametrize("stride", [1, 2, 8])
def test_tiles_that_overlap_by_the_reach_are_the_whole(reach: int, stride: int) -> None:
    x = RANDOM.integers(0, 65536, (2, 96, 136), dtype=np.uint16)
    function = blur(reach)
    whole = function(torch.from_numpy(x / np.float32(65535))[None])[0].numpy()
    found = together(function, x, reach=reach, stride=stride, tile=24)
    assert np.abs(found - whole).max() < 1e-6


def test_too_small_a_reach_would_show() -> None:
    """So that the test above says something; and feathered, the fault passes gently from tile to tile."""
    x = RANDOM.uniform(0, 1, (1, 90, 90)).astype(np.float32)
    whole = blur(9)(torch.from_numpy(x)[None])[0].numpy()
    assert np.abs(together(blur(9), x, reach=2, tile=24) - whole).max() > 1e-3
    seen = []

    def darker(part: Tensor) -> Tensor:  # each tile has a level of its own
        seen.append(len(seen))
        return torch.full_like(part, len(seen) % 2)

    found = together(darker, x[:, :20], reach=0, tile=64)[0]
    assert len(seen) == 2
    assert found.min() == 0
    assert found.max() == 1
    assert np.abs(np.diff(found, axis=1)).max() <= 1 / 16 + 1e-6


@pytest.mark.parametrize("size", [(61, 150), (150, 61), (8, 90), (1, 1), (3, 97)])
def test_a_u_net_in_tiles_is_the_u_net(size: tuple[int, int]) -> None:
    """With its own stride and reach, for sides that its stride does not divide."""
    torch.manual_seed(0)
    encoder = UNetEncoder((1, 16, 16), (4, 6), (1, 1), fold=2)
    decoder = UNetDecoder(1, (6, 4), (1,), fold=2)
    for module in (encoder, decoder):
        for weight in module.parameters():
            nn.init.normal_(weight, std=0.3)
    x = RANDOM.uniform(0, 1, (1, *size)).astype(np.float32)
    with torch.no_grad():
        whole = decoder(*encoder(torch.from_numpy(x)[None]))[0].numpy()
        found = together(
            lambda part: decoder(*encoder(part)), x, reach=encoder.reach + decoder.reach, stride=encoder.stride, tile=20
        )
    assert np.abs(found - whole).max() < 1e-4 * max(1, np.abs(whole).max())


def test_a_net_that_sees_all_gets_all() -> None:
    x = RANDOM.uniform(0, 1, (1, 70, 50)).astype(np.float32)
    sizes = []

    def function(part: Tensor) -> Tensor:
        sizes.append(tuple(part.shape))
        return part - part.mean()

    found = together(function, x, reach=None, stride=8, tile=16)
    assert sizes == [(1, 1, 70, 50)]
    assert np.allclose(found, x - x.mean(), atol=1e-6)


def test_a_mask_goes_along() -> None:
    x = RANDOM.integers(0, 256, (3, 60, 70), dtype=np.uint8)
    mask = RANDOM.uniform(0, 1, (1, 60, 70)) < 0.3
    found = together(lambda part, hole: part * (1 - hole), x, mask, reach=4, stride=4, tile=16)
    assert np.allclose(found, x / 255 * ~mask, atol=1e-6)


def test_a_wide_panorama_takes_small_tiles() -> None:
    x = np.broadcast_to(np.uint8(7), (3, 300, 30000))
    largest, parts = [0], []

    def function(part: Tensor) -> Tensor:
        largest[0] = max(largest[0], part.shape[2] * part.shape[3])
        return part

    apply_tiled(function, x, write=lambda part, top, left: parts.append(part.size), reach=52, stride=8)
    assert largest[0] <= (512 + 2 * 52 + 16) ** 2
    assert sum(parts) == x.size


@pytest.mark.parametrize("length", [1, 63, 64, 100, 101, 1000, 4097])
@pytest.mark.parametrize("tile", [4, 24, 64])
def test_cuts_overlap_by_the_feather_and_are_no_longer_than_a_tile(length: int, tile: int) -> None:
    feather = tile // 4
    found = tile_bounds(length, tile, 2, feather)
    assert found[0][0] == 0
    assert found[-1][1] == length
    for (first, end), (following, _) in pairwise(found):
        assert end - following == feather
        assert following - first >= feather
    assert max(end - first for first, end in found) <= tile + 4
