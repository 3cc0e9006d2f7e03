"""denoise leaves texture, dithering and halftone unchanged, with a note."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageDraw

import isthmus
from isthmus import models
from isthmus.cli import main
from isthmus.errors import Note
from isthmus.jobs.restoration.model_choice import choose_denoiser
from isthmus.media.photo import Photo

HIGH, WIDE = 160, 240
needs_models = pytest.mark.skipif("denoise-real" not in models.names(), reason="denoise-real is not shipped yet")


@pytest.fixture(scope="module")
def slope() -> np.ndarray:
    """Smooth tones from dark to bright, H×W in 0..255."""
    rows, columns = np.mgrid[:HIGH, :WIDE]
    return np.asarray(40 + 160 * columns / WIDE + 20 * np.sin(rows / 25))


def leaves(high: int = 2 * HIGH, wide: int = 2 * WIDE) -> np.ndarray:
    """Small discs, one over the other, everywhere: texture without noise."""
    random = np.random.default_rng(0)
    image = Image.new("RGB", (wide, high))
    draw = ImageDraw.Draw(image)
    for _ in range(high * wide // 10):
        x, y, radius = random.uniform(0, wide), random.uniform(0, high), 6 * random.uniform(0.5, 2)
        color = np.clip(120 + random.normal(0, 30) + random.normal(0, 8, 3), 0, 255).astype(int)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(color.tolist()))
    return np.asarray(image.resize((wide // 2, high // 2), Image.Resampling.LANCZOS))


def dithered(kind: str, slope: np.ndarray) -> np.ndarray:
    gray = Image.fromarray(slope.astype(np.uint8))
    color = Image.merge("RGB", [gray, gray.transpose(Image.Transpose.ROTATE_180), gray])
    rows, columns = np.mgrid[:HIGH, :WIDE]
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) * 16
    dots = (np.sin(0.9 * columns + 0.3 * rows) * np.sin(0.9 * rows - 0.3 * columns) + 1) * 127
    made = {
        "error diffusion": lambda: gray.convert("1").convert("L"),
        "ordered": lambda: Image.fromarray((slope > bayer[rows % 4, columns % 4]).astype(np.uint8) * np.uint8(255)),
        "dots": lambda: Image.fromarray((slope > dots).astype(np.uint8) * np.uint8(255)),
        "dots, shrunk": lambda: made["dots"]().resize((WIDE * 2 // 3, HIGH * 2 // 3), Image.Resampling.BICUBIC),
        "palette": lambda: color.convert("P", palette=Image.Palette.WEB).convert("RGB"),
    }
    pixels = np.asarray(made[kind]())
    return pixels[..., None] if pixels.ndim == 2 else pixels


@pytest.mark.parametrize("kind", ["error diffusion", "ordered", "dots", "dots, shrunk", "palette"])
def test_dithering_is_no_noise(kind: str, slope: np.ndarray) -> None:
    found = choose_denoiser(Photo(dithered(kind, slope)))
    assert found.model is None
    assert "dithered or a halftone" in found.why


def test_a_dark_picture_with_few_levels_is_not_dithered(slope: np.ndarray) -> None:
    noisy = slope / 8 + np.random.default_rng(0).normal(0, 3, slope.shape)
    assert choose_denoiser(Photo(np.rint(noisy.clip(0, 255)).astype(np.uint8)[..., None])).model == "denoise-gray"


@needs_models
def test_texture_is_left_alone_and_white_noise_on_it_is_not() -> None:
    texture = leaves()
    with pytest.warns(Note, match=r"^no model: what looks like noise of σ \d\.\d is mostly texture.*--model denoise-"):
        assert np.array_equal(isthmus.denoise(texture), texture)
    noisy = np.rint((texture + np.random.default_rng(1).normal(0, 12, texture.shape)).clip(0, 255)).astype(np.uint8)
    with pytest.warns(Note, match="^denoise-color: white noise"):
        cleaned = isthmus.denoise(noisy)
    before, after = (((one.astype(float) - texture) ** 2).mean() for one in (noisy, cleaned))
    assert after < 0.8 * before


@needs_models
def test_half_the_strength_is_half_the_change_and_no_doubt(slope: np.ndarray) -> None:
    blurred = np.random.default_rng(1).normal(0, 25, (HIGH + 2, WIDE + 2, 3))
    grain = sum(blurred[i : i + HIGH, j : j + WIDE] for i in range(3) for j in range(3)) / 9
    noisy = np.rint((slope[..., None] + grain).clip(0, 255)).astype(np.uint8)
    for strength in (1.0, 0.5):
        with pytest.warns(Note, match="^denoise-real: noise of"):
            cleaned = isthmus.denoise(noisy, strength=strength)
        assert not np.array_equal(cleaned, noisy)


@needs_models
@pytest.mark.parametrize("gray", [False, True])
def test_noise_that_all_channels_share_is_removed(slope: np.ndarray, gray: bool) -> None:
    grain = np.random.default_rng(2).normal(0, 10, slope.shape)[..., None]
    truth = np.stack([slope] * 3 if gray else [slope, slope[::-1], slope[:, ::-1]], -1)
    noisy = np.rint((truth + grain).clip(0, 255)).astype(np.uint8)
    with pytest.warns(Note, match="white noise of σ .*, the same in all channels"):
        after = isthmus.denoise(noisy)
    assert ((after - truth) ** 2).mean() < 0.3 * ((noisy - truth) ** 2).mean()


def test_noise_below_the_limit_is_noted_with_the_limit_and_the_option(
    slope: np.ndarray, tmp_path: Path, capsys: Any
) -> None:
    noisy = (slope + np.random.default_rng(3).normal(0, 2.3, slope.shape)) * 4095 / 255
    tifffile.imwrite(tmp_path / "a.tif", np.rint(noisy.clip(0, 4095)).astype(np.uint16))
    with pytest.raises(SystemExit):
        main(["denoise", str(tmp_path / "a.tif"), "--out", str(tmp_path / "b.tif"), "--json"])
    told = capsys.readouterr().out
    assert "noise of σ 2." in told
    assert "below 2.5" in told
    assert "--model denoise-gray removes it anyway" in told
