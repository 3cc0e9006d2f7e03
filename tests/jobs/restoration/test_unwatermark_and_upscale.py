"""unwatermark and upscale with stand-ins for the networks."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.restoration import RANDOM, StandIn, finder, identity, nearest, negative, noise

import isthmus
from isthmus.errors import BadInput, Note
from isthmus.media.image_file import read_photo, write_photo
from isthmus.media.photo import Photo

# -- watermarks --


def test_an_image_without_watermark_is_unchanged_with_a_note() -> None:
    """Nothing, single pixels, a region that the net doubts, and more than a mark can cover."""
    odds = np.zeros((30, 40))
    single, doubted, all_over, sure = (odds.copy() for _ in range(4))
    single[::4, ::4], doubted[3:18, 3:20], all_over[:, 5:], sure[3:18, 3:20] = 1, 0.6, 1, 0.6
    sure[3:9, 3:9] = 0.96
    thick, thick_and_sure = sure.copy(), sure.copy()
    thick[3:28, 3:28], thick_and_sure[3:28, 3:28] = 0.96, 0.995
    pixels = RANDOM.integers(0, 256, (30, 40, 3), dtype=np.uint8)

    def mended(odds: np.ndarray, **how: Any) -> tuple[np.ndarray, np.ndarray]:
        given, upright = torch.from_numpy(odds)[None, None].float(), torch.from_numpy(pixels / 255).float()

        def net(x: torch.Tensor) -> torch.Tensor:
            """Finds the same in whatever way the picture is mirrored."""
            views = ((), (3,), (2,), (2, 3))
            way = next(axes for axes in views if torch.allclose(x.flip(axes)[0].movedim(0, -1), upright, atol=1e-3))
            return torch.cat([1 - x, given.flip(way)], 1)

        model = StandIn(net, reach=100)
        return isthmus.unwatermark(pixels, model=model, save_mask=True, **how)  # type: ignore[no-any-return]

    for case, says in (
        (odds, "no watermark"),
        (single, "no watermark"),
        (doubted, "no watermark"),
        (thick, "no watermark"),
        (all_over, "too much"),
    ):
        with pytest.warns(Note, match=f"{says}.* stays unchanged"):
            result, mask = mended(case)
        assert np.array_equal(result, pixels)
        assert not mask.any()
    for case, how in ((sure, {"sure": 0.95}), (doubted, {"sure": 0.55}), (thick_and_sure, {})):
        result, mask = mended(case, **how)
        assert np.array_equal(mask, case > 0)
        assert np.array_equal(result, np.where(mask[..., None], 255 - pixels, pixels))
    with pytest.raises(BadInput, match="sure is 2"):
        mended(odds, sure=2)


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_outside_the_predicted_mask_are_equal_to_the_bit(channels: int) -> None:
    x = RANDOM.integers(0, 250, (30, 40, 3), dtype=np.uint8)
    x[5:9, 6:20] = 255
    write_photo("a.png", Photo(x))
    found, mask = isthmus.unwatermark(x, model=finder(channels), save_mask=True)
    assert np.array_equal(mask, (x == 255).all(-1))
    assert np.array_equal(found, np.where(mask[..., None], 0, x))
    isthmus.unwatermark("a.png", model=finder(channels), out="b.png", save_mask=True)
    assert np.array_equal(read_photo("b.png").pixels, found)
    assert np.array_equal(read_photo("b-mask.png").pixels[..., 0], mask * 255)
    gray = isthmus.unwatermark(x[..., 0], model=finder(channels))
    assert np.array_equal(gray, np.where(x[..., 0] == 255, 0, x[..., 0]))
    with pytest.raises(BadInput, match="predicts no mask that could be saved"):
        isthmus.unwatermark("a.png", model=identity(), out="c.png", save_mask=True)
    assert not Path("c.png").exists()


# -- larger --


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("deep", [False, True])
def test_upscale_by_a_factor(scale: int, deep: bool) -> None:
    given = Photo(noise(5, 7, 3, deep=deep), np.full((5, 7), 9, np.uint16 if deep else np.uint8))
    write_photo("a.png", given)
    isthmus.upscale("a.png", model=nearest(scale), scale=scale, out="b.png")
    found = read_photo("b.png")
    assert np.array_equal(found.pixels, given.pixels.repeat(scale, 0).repeat(scale, 1))
    assert found.alpha is not None
    assert found.alpha.shape == found.size
    assert (found.alpha == 9).all()


def test_a_large_result_lies_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from isthmus.inference import image

    monkeypatch.setattr(image, "LARGE_RESULT", 100)
    x = noise(5, 7, 3)
    found = isthmus.upscale(x, model=nearest(2))
    assert np.array_equal(found, x.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("to", ["50x40", "51x41", "14x10", "8x5", "300x200"])
def test_upscale_to_a_size(to: str) -> None:
    x = np.broadcast_to(np.linspace(0, 250, 7).astype(np.uint8)[None, :, None], (5, 7, 3))
    with warnings.catch_warnings(record=True):
        found = isthmus.upscale(x, model=nearest(2), to=to)
    width, height = map(int, to.split("x"))
    assert found.shape == (height, width, 3)
    assert np.array_equal(found[0], found[-1])
    assert (
        np.abs(np.interp((np.arange(width) + 0.5) * 7 / width - 0.5, np.arange(7), x[0, :, 0]) - found[0, :, 0]).max()
        < 25
    )


def test_a_size_or_a_factor_that_makes_no_sense_is_refused() -> None:
    x = noise(5, 7, 3)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"to": "7x5"}, "already has 7×5 pixels"),
        ({"to": "wide"}, "as in 1920x1080"),
        ({"to": "0x9"}, "as in 1920x1080"),
        ({"to": "900000x900000"}, "pixels are too many"),
        ({"scale": 5}, "2, 3 or 4"),
        ({"scale": 3}, "enlarges ×2, not ×3"),
        ({"scale": 2, "to": "50x40"}, "only one of them"),
    ]
    for keys, says in cases:
        with pytest.raises(BadInput, match=says):
            isthmus.upscale(x, model=nearest(2), **keys)
    with pytest.warns(Note, match="stretched"):
        isthmus.upscale(x, model=nearest(2), to="20x10")
    with pytest.raises(BadInput, match="does not enlarge"):
        isthmus.upscale(x, model=identity())
    with pytest.raises(BadInput, match="enlarges ×2"):
        isthmus.denoise(x, model=nearest(2))


def test_cleaned_and_enlarged_at_once() -> None:
    x = noise(9, 11, 3)
    write_photo("a.png", Photo(x))
    model: dict[str, Any] = {"model": negative(), "upscale_model": nearest(2)}
    expected = 255 - x.repeat(2, 0).repeat(2, 1)
    assert np.array_equal(isthmus.denoise(x, scale=2, **model), expected)
    assert np.array_equal(isthmus.denoise(x, **model), expected)  # a model that enlarges is named for that
    assert isthmus.denoise(x, to="30x25", **model).shape == (25, 30, 3)
    isthmus.denoise("a.png", scale=2, **model, out="b.png", side_by_side=True, truth=expected)
    assert np.array_equal(read_photo("b.png").pixels, expected)
    for keys, says in (({"scale": 3}, "enlarges ×2, not ×3"), ({"scale": 2, "to": "30x25"}, "only one of them")):
        with pytest.raises(BadInput, match=says):
            isthmus.denoise(x, **model, **keys)
