"""A hole deeper than the receptive field never becomes black; images without noise stay unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

import isthmus
from isthmus.errors import BadInput, Note
from isthmus.jobs.restoration.deep_holes import deep_part, fill_smoothly
from isthmus.jobs.restoration.model_choice import choose_denoiser
from isthmus.media.photo import Photo

COFFEE = skimage.data.coffee()[:300, :300]


def psnr_in(hole: np.ndarray, found: np.ndarray, truth: np.ndarray) -> float:
    error = (found[hole].astype(float) - truth[hole]) ** 2
    return float(10 * np.log10(255**2 / error.mean()))


@pytest.mark.parametrize("side", [96, 160])
def test_a_deep_hole_is_filled_at_least_as_well_as_by_the_mean_of_its_border(side: int) -> None:
    hole = np.zeros(COFFEE.shape[:2], bool)
    hole[60 : 60 + side, 70 : 70 + side] = True
    border = np.zeros_like(hole)
    border[56 : 64 + side, 66 : 74 + side] = True
    mean = np.broadcast_to(COFFEE[border & ~hole].mean(0), COFFEE.shape)
    with pytest.warns(Note, match="deeper than the model can fill"):
        found = isthmus.inpaint(COFFEE, mask=hole.astype(np.uint8) * 255)
    assert psnr_in(hole, found, COFFEE) > psnr_in(hole, mean, COFFEE) - 0.5
    assert np.array_equal(found[~hole], COFFEE[~hole])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_the_middle_is_of_the_numbers_around_it(kind: type) -> None:
    pixels = np.full((120, 90, 1), 200, kind)
    hole = np.zeros((120, 90), bool)
    hole[10:, 20:] = True  # up to two edges of the picture
    pixels[hole] = 0
    middle = deep_part(hole, None)
    found = fill_smoothly(pixels, hole, middle)
    assert found.dtype == kind
    np.testing.assert_allclose(found[middle], 200, atol=1)
    assert np.array_equal(found[~middle], pixels[~middle])


def test_small_pictures_and_drawings_are_left_as_they_are() -> None:
    paper = np.full((200, 260, 3), 255, np.uint8)
    paper[::20], paper[:, ::26] = 0, (40, 90, 200)
    chart = np.full((200, 260, 3), 230, np.uint8)
    chart[50:90, 40:200] = (200, 30, 30)
    chart[100:180:3] = 10
    for picture in (paper, chart, COFFEE[:32, :32], COFFEE[:1, :1]):
        assert choose_denoiser(Photo(picture)).model is None
    noise = np.random.default_rng(0).normal(0, 25, COFFEE.shape)
    for clean in (COFFEE, np.full_like(COFFEE, 128)):
        assert choose_denoiser(Photo((clean + noise).clip(0, 255).astype(np.uint8))).model == "denoise-color"
    padded = (COFFEE + noise).clip(1, 255).astype(np.uint8)
    padded[:, :80] = 0  # nothing was measured there
    assert choose_denoiser(Photo(padded)).model == "denoise-color"


def test_an_inverted_mask_is_refused(tmp_path: Path) -> None:
    """A scratch of two rows, black on white: filling all the rest would leave a blur."""
    picture = np.full((120, 160, 3), 90, np.uint8)
    mask = np.full((120, 160), 255, np.uint8)
    mask[60:62] = 0
    Image.fromarray(picture).save(tmp_path / "a.png")
    Image.fromarray(mask).save(tmp_path / "m.png")
    with pytest.raises(BadInput, match=r"m\.png: the hole is 98\.3% of the image, most of it too far .*--invert"):
        isthmus.inpaint(tmp_path / "a.png", tmp_path / "m.png", out=tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()
    assert np.array_equal(isthmus.inpaint(tmp_path / "a.png", tmp_path / "m.png", invert=True)[:60], picture[:60])
    few = np.random.default_rng(0).random((120, 160)) < 0.9  # single pixels are near to others
    with pytest.warns(Note, match="the hole is 9.* of the image; --invert"):
        isthmus.inpaint(picture, few)
