"""Shipped models: size, card, and results on images outside of their training."""

from __future__ import annotations

import math

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image, ImageDraw, ImageFont
from safetensors import safe_open

import isthmus
from isthmus import load, metrics
from isthmus.models import FOLDER, card_of, folder_of, names
from isthmus.store import read_config

MEGABYTE = 2**20
NAMES = names()


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """96×128×3 uint8: a sky that grows lighter, a disc, stripes and words; edges antialiased as a camera has them."""
    rows, columns = np.mgrid[:384, :512]
    pixels = np.stack([80 + rows / 4, 120 + columns / 8, 200 - rows / 4], -1)
    pixels += 12 * np.sin(columns / 24)[..., None]
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse((60, 120, 260, 320), fill=(200, 90, 40))
    for x in range(300, 500, 40):
        draw.line((x, 150, x + 30, 380), fill=(30, 60, 30), width=12)
    draw.text((80, 30), "isthmus", fill=(250, 250, 240), font=ImageFont.load_default(72))
    return np.asarray(image.resize((128, 96), Image.Resampling.LANCZOS))


def psnr(picture: np.ndarray, truth: np.ndarray, place: np.ndarray | None = None) -> float:
    error = (picture.astype(float) - truth) ** 2
    return 10 * math.log10(255**2 / (error if place is None else error[place]).mean())


def noisy(scene: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, sigma, scene.shape)
    return (scene + noise).clip(0, 255).round().astype(np.uint8)


def test_all_of_them_are_small() -> None:
    sizes = {name: sum(file.stat().st_size for file in folder_of(name).iterdir()) for name in NAMES}
    assert max(sizes.values()) <= 4 * MEGABYTE
    assert sum(sizes.values()) <= 48 * MEGABYTE


@pytest.mark.parametrize("name", NAMES)
def test_a_card_has_the_required_facts(name: str) -> None:
    card = card_of(name)
    for key in ("use", "recipe", "data", "licence", "weights", "steps", "seconds", "machine", "date", "figures"):
        assert card[key], f"{name} has no {key}"
    with safe_open(FOLDER / name / "model.safetensors", "pt") as file:
        assert {file.get_tensor(key).dtype for key in file.keys()} == {torch.float16}  # noqa: SIM118
    about = read_config(folder_of(name)).get("about", {})
    assert not any("/" in str(value) for value in about.get("data", {}).values())


@pytest.mark.skipif("denoise-gray" not in NAMES, reason="denoise-gray is not shipped yet")
def test_noise_is_taken_away_and_little_else(scene: np.ndarray) -> None:
    gray = scene[..., 1]
    for sigma, gain in ((10, 3), (25, 7), (50, 10)):
        bad = noisy(gray, sigma)
        assert psnr(isthmus.denoise(bad), gray) > psnr(bad, gray) + gain
    assert psnr(isthmus.denoise(gray), gray) > 38


@pytest.mark.skipif("denoise-gray" not in NAMES, reason="denoise-gray is not shipped yet")
def test_color_images_are_denoised_too(scene: np.ndarray) -> None:
    bad = noisy(scene, 25)
    clean = isthmus.denoise(bad)
    assert psnr(clean, scene) > psnr(bad, scene) + 7
    assert abs(clean.mean((0, 1)) - bad.mean((0, 1))).max() < 1  # no shift of color


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_enlarged_it_is_sharper_than_by_a_cubic(scene: np.ndarray, scale: int) -> None:
    if f"upscale-{scale}" not in NAMES:
        pytest.skip(f"upscale-{scale} is not shipped yet")
    truth = scene[:, :120]
    size = (120 // scale, 96 // scale)
    small = np.asarray(Image.fromarray(truth).resize(size, Image.Resampling.BICUBIC))
    cubic = np.asarray(Image.fromarray(small).resize((120, 96), Image.Resampling.BICUBIC))
    assert psnr(isthmus.upscale(small, scale=scale), truth) > psnr(cubic, truth) + 1


@pytest.mark.skipif("inpaint" not in NAMES, reason="inpaint is not shipped yet")
def test_holes_are_filled_better_than_by_their_mean(scene: np.ndarray) -> None:
    random = np.random.default_rng(0)
    for hole in (random.random(scene.shape[:2]) < 0.5, np.pad(np.ones((16, 16), bool), ((40, 40), (56, 56)))):
        bad = np.where(hole[..., None], 0, scene).astype(np.uint8)
        whole = isthmus.inpaint(bad, hole)
        flat = np.where(hole[..., None], scene[~hole].mean(0), scene)
        assert psnr(whole, scene, hole) > psnr(flat, scene, hole) + 3
        assert (whole[~hole] == scene[~hole]).all()


def test_a_logo_is_found_and_a_part_of_it_lifted(scene: np.ndarray) -> None:
    """Asked for: a disc on a photo may belong to it, so by default nothing is done where there is doubt."""
    layer = Image.new("RGBA", (128, 96))
    draw = ImageDraw.Draw(layer)
    draw.ellipse((38, 19, 96, 77), fill=(40, 90, 200))
    draw.rectangle((62, 33, 72, 62), fill="white")
    logo = np.asarray(layer) / 255
    a = 0.7 * logo[..., 3:]
    bad = (scene * (1 - a) + 255 * a * logo[..., :3]).round().astype(np.uint8)
    clean, mask = isthmus.unwatermark(bad, save_mask=True, sure=0)
    place = a[..., 0] > 0
    assert psnr(clean, scene, place) > psnr(bad, scene, place) + 3
    assert mask[place].mean() > 0.8
    assert (clean[~mask] == bad[~mask]).all()


@pytest.mark.xfail(strict=True, reason="the model that is shipped finds small words and does not yet take them off")
def test_words_are_found_and_lifted(scene: np.ndarray) -> None:
    layer = Image.new("L", (128, 96))
    ImageDraw.Draw(layer).text((20, 50), "SAMPLE", fill=255, font=ImageFont.load_default(24))
    a = 0.5 * np.asarray(layer)[..., None] / 255
    bad = (scene * (1 - a) + 255 * a).round().astype(np.uint8)
    clean, mask = isthmus.unwatermark(bad, save_mask=True)
    place = a[..., 0] > 0.25
    assert psnr(clean, scene, place) > psnr(bad, scene, place) + 5
    assert mask[place].mean() > 0.8
    assert (clean[~mask] == bad[~mask]).all()


@pytest.mark.parametrize("name", ["denoise-gray", "denoise-color"])
def test_an_odd_size_costs_nothing(name: str) -> None:
    """Rows that were repeated up to the stride of the net cost .1 to .4 dB over the whole of a small photo."""
    model = load(name)
    crop = skimage.data.camera()[150:318, 150:318].astype(np.float32) / 255
    truth = torch.from_numpy(crop).expand(1, model.shape[0], -1, -1)
    noisy = truth + 0.1 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    odd = metrics.psnr(model.restore(noisy[..., :161, :161]), truth[..., :161, :161])
    even = metrics.psnr(model.restore(noisy)[..., :161, :161], truth[..., :161, :161])
    assert float(odd) > float(even) - 0.1
