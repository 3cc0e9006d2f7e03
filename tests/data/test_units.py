"""Folders of pictures in units: floats, signed numbers, 32 bits. One range for all of them, kept and undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import isthmus
from isthmus.data import open_data, prepared
from isthmus.jobs.restoration.apply_model import with_range
from isthmus.media.image_file import read_photo

UNITS = [(np.float32, 20.0, 1520.0), (np.int16, -1000, 900), (np.uint32, 20_000, 120_000), (np.float64, -2.5, 7.25)]
pytestmark = pytest.mark.filterwarnings("ignore::isthmus.errors.Note")


def folder_of(path: Path, dtype: Any, low: float, high: float) -> Path:
    path.mkdir()
    random = np.random.RandomState(0)
    for number in range(12):
        unit = 0.1 + 0.8 * random.rand(16, 16)
        unit[0, :2] = (0, 1) if number == 5 else unit[0, :2]
        tifffile.imwrite(path / f"{number:02d}.tif", (low + (high - low) * unit).astype(dtype))
    return path


@pytest.mark.parametrize(("dtype", "low", "high"), UNITS)
def test_a_folder_in_units_has_one_range_that_is_kept(dtype: Any, low: float, high: float, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", dtype, low, high)
    data = open_data(folder)
    assert data.range == (low, high)
    assert data.notes == [f"values from {low:g} to {high:g}: scaled to 0..1"]
    stored = tifffile.imread(folder / "03.tif").astype(float)
    unit = (stored - low) / (high - low)
    assert np.abs(data.floats([3])[0, 0].numpy() - unit).max() < 1e-5
    model = isthmus.create("conv", shape=(1, 16, 16), code=4)
    run = isthmus.fit(model, folder, epochs=1, device="cpu", quiet=True)
    like = run.model.about["input"]
    assert (like["range"], like["dtype"]) == ([low, high], np.dtype(dtype).name)
    for found in (open_data(folder / "03.tif", like=like).floats(), prepared(folder / "03.tif", like)):
        assert np.abs(found[0, 0].numpy() - unit).max() < 1e-5
    photo = with_range(read_photo(folder / "03.tif"), run.model, {})
    assert photo.range == (low, high)
    isthmus.reconstruct(run.model, folder, out=tmp_path / "out.npy")
    expected = low + (high - low) * isthmus.reconstruct(run.model, folder).numpy()
    assert np.allclose(np.load(tmp_path / "out.npy"), expected, rtol=1e-5)


def test_a_folder_in_units_is_learned_for_denoise_and_detect(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", np.int16, -1000, 900)
    how: dict[str, Any] = {"epochs": 1, "device": "cpu", "quiet": True}
    small: dict[str, Any] = {"channels": (4,), "blocks": (1,)}
    isthmus.train("denoise", folder, out=tmp_path / "denoise", **small, **how)
    isthmus.denoise(folder / "03.tif", model=tmp_path / "denoise", out=tmp_path / "out.tif")
    found = tifffile.imread(tmp_path / "out.tif")
    assert found.dtype == np.int16
    assert -1000 <= found.min() < 0 < found.max() <= 900
    isthmus.train("detect", folder, out=tmp_path / "detect", net="dense", kind="undercomplete", code=4, **how)
    (row,) = isthmus.detect(tmp_path / "detect", folder / "03.tif", out=tmp_path / "report")
    array = tifffile.imread(folder / "03.tif")
    assert row["score"] == pytest.approx(float(isthmus.load(tmp_path / "detect").detect(array).score[0]), rel=1e-4)


def test_floats_in_0_1_with_noise_among_8_bit_files(tmp_path: Path) -> None:
    """They are scaled as the file alone is scaled for a restoration, not left out as broken."""
    values = np.random.default_rng(0).random((8, 8)).astype(np.float32)
    values[0, :2] = -0.01, 1.02
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    Image.fromarray(np.full((8, 8), 128, np.uint8)).save(tmp_path / "b.png")
    data = open_data(tmp_path)
    assert data.names == ["a.tif", "b.png"]
    assert data.skipped == []
    assert np.allclose(data.floats().numpy()[0, 0], values.clip(0, 1), atol=1e-4)
