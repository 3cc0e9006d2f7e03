"""A test picture that is a part of a training picture is found, also in gray and at another size."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

sys.path[:0] = [str(Path(__file__).parents[2] / "benchmarks")]

import overlap  # noqa: E402
from restoring.contest import means  # noqa: E402


def photo(seed: int) -> Image.Image:
    """A picture with detail of every size."""
    noise = np.random.default_rng(seed).normal(size=(3, 320, 320))
    sizes = [gaussian_filter(noise, (0, sigma, sigma)) * sigma for sigma in (2, 5, 12)]
    pixels = 128 + 120 * sum(sizes)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8).transpose(1, 2, 0))


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> overlap.Known:
    monkeypatch.setattr(overlap, "DATA", tmp_path)
    overlap.at_half.cache_clear()
    (tmp_path / "learned").mkdir()
    for seed in range(4):
        photo(seed).save(tmp_path / "learned" / f"{seed}.png")
    return overlap.learned(("learned",))


@pytest.mark.parametrize("size", [0.5, 0.72, 1.0, 2.0])
def test_a_part_of_a_training_picture_is_found(known: overlap.Known, tmp_path: Path, size: float) -> None:
    part = photo(2).crop((40, 30, 270, 250)).convert("L")
    part.resize((round(230 * size), round(220 * size)), Image.Resampling.BICUBIC).save(tmp_path / "part.png")
    rows = {row["training"]: row["correlation"] for row in overlap.search(known, "test", tmp_path / "part.png")}
    assert rows["learned/2"] >= overlap.SAME
    assert all(value < overlap.SAME for name, value in rows.items() if name != "learned/2")


def test_another_picture_is_not(known: overlap.Known, tmp_path: Path) -> None:
    photo(9).save(tmp_path / "other.png")
    assert all(row["correlation"] < overlap.SAME for row in overlap.search(known, "test", tmp_path / "other.png"))


def test_means_without_the_pictures_that_were_trained_on() -> None:
    paths = [Path("set5/baby_GT.bmp"), Path("set5/woman_GT.bmp"), Path("set5/bird_GT.bmp")]
    assert means("psnr", paths, [1.0, 8.0, 3.0]) == {"psnr": 4.0, "psnr_apart": 2.0}
    assert means("psnr", [Path("set14/woman_GT.bmp")], [8.0]) == {"psnr": 8.0}
