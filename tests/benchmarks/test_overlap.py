"""A test picture that is a part of a training picture is found, also in gray and at another size."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

sys.path[:0] = [str(Path(__file__).parents[2] / "benchmarks")]

import matching  # noqa: E402
import overlap  # noqa: E402
from restoring.comparison import means  # noqa: E402


def photo(seed: int) -> Image.Image:
    """A picture with detail of every size."""
    noise = np.random.default_rng(seed).normal(size=(3, 320, 320))
    sizes = [gaussian_filter(noise, (0, sigma, sigma)) * sigma for sigma in (2, 5, 12)]
    pixels = 128 + 120 * sum(sizes)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8).transpose(1, 2, 0))


@pytest.fixture
def known(tmp_path: Path) -> matching.Known:
    paths = [tmp_path / f"{seed}.png" for seed in range(4)]
    for seed, path in enumerate(paths):
        photo(seed).save(path)
    return matching.learned(paths)


@pytest.mark.parametrize("size", [0.5, 0.72, 1.0, 2.0])
def test_a_part_of_a_training_picture_is_found(known: matching.Known, tmp_path: Path, size: float) -> None:
    part = photo(2).crop((40, 30, 270, 250)).convert("L")
    part.resize((round(230 * size), round(220 * size)), Image.Resampling.BICUBIC).save(tmp_path / "part.png")
    rows = {row["known"].stem: row["correlation"] for row in matching.search(known, tmp_path / "part.png")}
    assert rows.pop("2") >= overlap.SAME
    assert all(value < overlap.SAME for value in rows.values())


def test_another_picture_is_not(known: matching.Known, tmp_path: Path) -> None:
    photo(9).save(tmp_path / "other.png")
    assert all(row["correlation"] < overlap.SAME for row in matching.search(known, tmp_path / "other.png"))


def test_a_match_is_two_squares_that_are_apart_and_moved_alike() -> None:
    values, corners = torch.tensor([[0.9, 0.8, 0.7]]), torch.tensor([[[0, 0], [0, 2], [20, 0]]])
    moved = torch.tensor([[[5, 5], [0, 0], [9, 0]]])  # each edge was found somewhere else
    assert matching.paired(values, corners, corners + moved).tolist() == [-1]
    moved[:] = torch.tensor([5, 5])
    assert matching.paired(values, corners, corners + moved).tolist() == pytest.approx([0.7])


def test_a_band_of_a_training_picture_is_found(known: matching.Known, tmp_path: Path) -> None:
    """The left 140 of 320 columns."""
    band = np.asarray(photo(8).convert("L")).copy()
    band[:, :140] = np.asarray(photo(1).convert("L"))[:, 180:]
    Image.fromarray(band).save(tmp_path / "band.png")
    best = matching.search(known, tmp_path / "band.png")[0]
    assert best["known"].stem == "1"
    assert best["correlation"] >= overlap.SAME


def test_means_without_the_pictures_that_were_trained_on() -> None:
    paths = [Path("set5/baby_GT.bmp"), Path("set5/woman_GT.bmp"), Path("set5/bird_GT.bmp")]
    assert means("psnr", paths, [1.0, 8.0, 3.0]) == {"psnr": 4.0, "psnr_apart": 2.0}
    assert means("psnr", [Path("set14/woman_GT.bmp")], [8.0]) == {"psnr": 8.0}
