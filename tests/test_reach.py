"""A net that declares a reach is the same on a crop as on the full image: tiles of a picture have no seams."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from isthmus import create
from isthmus.autoencoder import Autoencoder
from isthmus.recipes import RECIPES

SMALL: dict[str, Any] = {"channels": (8, 8), "width": 8}
PICTURES = [name for name, recipe in RECIPES.items() if "color" in recipe.inputs]
pytestmark = pytest.mark.usefixtures("one_thread")


def small(name: str, side: int) -> Autoencoder:
    keys = {key: value for key, value in SMALL.items() if key in RECIPES[name].keys}
    keys |= {"blocks": 2} if name == "upscale" else {}
    return create(name, shape=(3, side, side), **keys)


@pytest.mark.parametrize("name", PICTURES)
def test_a_crop_with_the_reach_around_it_gives_the_pixels_of_the_full_image(name: str) -> None:
    model = small(name, 32).eval()
    if model.reach is None:
        return
    assert not any(isinstance(layer, (nn.GroupNorm, nn.InstanceNorm2d)) for layer in model.modules())
    stride, scale = model.stride, model.scale
    margin = -(-model.reach // stride) * stride
    side = 2 * margin + 3 * stride + 5
    x = torch.rand(1, 3, side + 2 * stride, side + stride, generator=torch.Generator().manual_seed(0))
    hole = {"mask": (torch.rand(1, 1, *x.shape[2:]) > 0.7).float()} if getattr(model.corruption, "extra", 0) else {}
    full = model.restore(x, **hole)
    top = left = stride  # a crop begins where a tile may
    part = x[..., top:, left:]
    crop = model.restore(part, **{key: mask[..., top:, left:] for key, mask in hole.items()})
    inner = slice(scale * margin, None)
    expected = full[..., scale * top :, scale * left :][..., inner, inner]
    assert expected.numel() > 0
    torch.testing.assert_close(crop[..., inner, inner], expected, atol=1e-5, rtol=1e-5)


def test_only_nets_that_see_a_part_declare_it() -> None:
    declared = {name for name in PICTURES if small(name, 32).reach is not None}
    assert declared == {"denoise", "inpaint", "segment", "unwatermark", "upscale"}
