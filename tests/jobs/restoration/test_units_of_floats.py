"""Floats on any scale are restored like the same image in 0..1, and the ground truth is read in its own depth."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage import data

import isthmus
from isthmus.data import open_data
from isthmus.errors import Note
from isthmus.media.bit_depth import only_noise_outside, own_range

CLEAN = data.astronaut()[100:228, 100:228].astype(np.float64) / 255
NOISY = CLEAN + np.random.default_rng(0).normal(0, 25 / 255, CLEAN.shape)


def decibels(x: Any) -> float:
    return -10 * np.log10(np.square(np.clip(x, 0, 1) - CLEAN).mean())


@pytest.mark.parametrize(("gain", "offset"), [(2.0, -1.0), (1.0, -0.5), (1.0, -1.0), (1.4, 0.0), (100.0, -50.0)])
@pytest.mark.filterwarnings("ignore")
def test_floats_with_values_below_0_or_above_1_lose_nothing(gain: float, offset: float, tmp_path: Path) -> None:
    scaled = (NOISY * gain + offset).astype(np.float32)
    usual = decibels(isthmus.denoise(NOISY.astype(np.float32)))
    assert decibels((isthmus.denoise(scaled) - offset) / gain) == pytest.approx(usual, abs=0.3)
    tifffile.imwrite(tmp_path / "x.tif", scaled)
    isthmus.denoise(tmp_path / "x.tif", out=tmp_path / "y.tif")
    assert decibels((tifffile.imread(tmp_path / "y.tif") - offset) / gain) == pytest.approx(usual, abs=0.3)


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.3])
def test_noise_around_0_to_1_is_no_other_scale(sigma: float) -> None:
    noisy = CLEAN + np.random.default_rng(1).normal(0, sigma, CLEAN.shape)
    assert only_noise_outside(noisy)
    assert own_range(noisy.astype(np.float32)) == (0.0, 1.0)


def test_a_folder_of_floats_keeps_its_scale_and_refuses_8_bit_files(tmp_path: Path) -> None:
    for number in range(3):
        tifffile.imwrite(tmp_path / f"{number}.tif", (2 * CLEAN - 1).astype(np.float32))
    assert open_data(tmp_path).range == (-1.0, 1.0)
    Image.fromarray((CLEAN * 255).astype(np.uint8)).save(tmp_path / "8.png")
    skipped = dict(open_data(tmp_path).skipped)
    assert sorted(skipped) == ["0.tif", "1.tif", "2.tif"]
    assert "floats in 0..1" in skipped["0.tif"]


@pytest.mark.parametrize(("bits", "truth_bits"), [(12, 16), (16, 12), (12, 12)])
def test_a_ground_truth_of_another_depth_is_read_with_its_own_white(bits: int, truth_bits: int, tmp_path: Path) -> None:
    def save(name: str, x: np.ndarray, depth: int) -> None:
        image = np.rint(np.clip(x, 0, 1)[..., 0] * (2**depth - 1)).astype(np.uint16)
        Image.fromarray(image).save(tmp_path / name)

    save("x.png", NOISY, bits)
    save("truth.png", CLEAN, truth_bits)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows: list[dict[str, Any]] = []
        isthmus.denoise(tmp_path / "x.png", out=tmp_path / "y.png", truth=tmp_path / "truth.png", each=rows.append)
    (row,) = rows
    assert row["psnr"] > row["psnr_before"] + 3 > 20
    notes = [str(one.message) for one in caught if isinstance(one.message, Note)]
    assert any("the truth is read with white" in note for note in notes) == (bits != truth_bits)


@pytest.mark.filterwarnings("ignore")
def test_metrics_are_those_of_the_same_image_in_0_to_1(tmp_path: Path) -> None:
    found = []
    for gain in (1.0, 4000.0):
        tifffile.imwrite(tmp_path / "x.tif", (NOISY * gain).astype(np.float32))
        tifffile.imwrite(tmp_path / "truth.tif", (CLEAN * gain).astype(np.float32))
        rows: list[dict[str, Any]] = []
        options = {"out": tmp_path / "y.tif", "truth": tmp_path / "truth.tif", "each": rows.append, "force": True}
        isthmus.denoise(tmp_path / "x.tif", **options)
        found.append(rows[0])
    span = 20 * np.log10(np.ptp(CLEAN))  # of a peak of 1 and of the range of the truth
    assert found[1]["psnr_before"] == pytest.approx(found[0]["psnr_before"] + span, abs=0.3)
    assert found[1]["psnr"] == pytest.approx(found[0]["psnr"] + span, abs=0.5)
