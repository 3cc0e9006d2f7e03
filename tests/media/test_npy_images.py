"""A folder of .npy, one picture in each: trained on, restored, and written back as .npy of the same type and order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import isthmus
from isthmus.data import open_data
from isthmus.data.find_images import find_pictures
from isthmus.errors import BadInput
from isthmus.media.image_file import read_photo, write_photo

pytestmark = pytest.mark.filterwarnings("ignore::isthmus.errors.Note")
RANDOM = np.random.default_rng(0)
BYTES = RANDOM.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def folder_of(place: Path, *arrays: Any) -> Path:
    place.mkdir()
    for number, array in enumerate(arrays):
        np.save(place / f"{number}.npy", array)
    return place


KINDS = {
    "H×W": BYTES[..., 0],
    "H×W×C": BYTES,
    "C×H×W": BYTES.transpose(2, 0, 1),
    "1×H×W": BYTES[None, ..., 0],
    "12 bits": BYTES[..., 0].astype(np.uint16) * 16,
    "shares": (BYTES / 255).transpose(2, 0, 1).astype(np.float32),
    "units": BYTES[..., 1] * 37.5 - 1000,
    "whole": BYTES[..., 1].astype(np.int64),
    "bits": BYTES[..., 1] > 128,
    "alpha": np.concatenate([BYTES, BYTES[..., :1]], -1),
    "other bytes": BYTES.astype(">u2"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_read_and_written_as_it_was(kind: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", KINDS[kind], KINDS[kind])
    photo = read_photo(folder / "0.npy")
    assert photo.size == (20, 30)
    write_photo(tmp_path / "out.npy", photo)
    back = np.load(tmp_path / "out.npy")
    assert back.dtype == KINDS[kind].dtype
    assert np.array_equal(back, KINDS[kind])
    data = open_data(folder)
    assert data.shape == (3 if kind in ("H×W×C", "C×H×W", "shares", "alpha", "other bytes") else 1, 20, 30)
    assert data.names == ["0.npy", "1.npy"]
    found = data.floats(np.arange(2))
    assert 0 <= found.min() < found.max() <= 1


def test_values_mean_the_same_as_in_an_array(tmp_path: Path) -> None:
    for name, array in (("12", KINDS["12 bits"]), ("shares", KINDS["shares"]), ("units", KINDS["units"])):
        folder, one = open_data(folder_of(tmp_path / name, array)), open_data(np.stack([array]))
        assert np.allclose(folder.floats(np.arange(1)), one.floats(np.arange(1)), atol=1e-5)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 40, 3), np.uint8), "3×40×3 can be H×W×C as well as C×H×W"),
        (np.zeros((40, 50, 7)), "an array of 40×50×7; accepted is one picture"),
        (np.zeros((2, 3, 40, 50)), "an array of 2×3×40×50; .*several are accepted as one file"),
        (np.zeros(5), "an array of 5; accepted"),
        (np.array([["a", "b"]]), "holds text"),
        (np.full((40, 50), np.nan), "NaN or infinite"),
        (np.zeros((40, 50, 4), np.float32), "4 channels are color and alpha, of 8 or 16 bits"),
    ],
)
def test_non_images_are_refused_by_name(array: np.ndarray, words: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", array)
    with pytest.raises(BadInput, match=words):
        read_photo(folder / "0.npy")
    with pytest.raises(BadInput, match=words):
        open_data(folder)


def test_objects_are_not_unpickled_and_broken_files_are_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", BYTES)
    np.save(folder / "objects.npy", np.array([[object()]]), allow_pickle=True)
    (folder / "short.npy").write_bytes((folder / "0.npy").read_bytes()[:500])
    data = open_data(folder)
    assert data.names == ["0.npy"]
    reasons = dict(data.skipped)
    assert "pickle can run code" in reasons["objects.npy"]
    assert "truncated or broken" in reasons["short.npy"]


def test_arrays_next_to_images_are_ignored(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", BYTES)
    Image.fromarray(BYTES).save(folder / "a.png")
    assert find_pictures(folder)[0] == ["a.png"]


def test_a_folder_is_restored_to_the_same_names(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(48.0), np.arange(64.0)) + 60
    noisy = np.rint(smooth + RANDOM.normal(0, 15, smooth.shape)).clip(0, 255).astype(np.uint8)
    folder = folder_of(tmp_path / "in", noisy[None], smooth.astype(np.float32) / 255)
    isthmus.denoise(folder, out=tmp_path / "out")
    found = np.load(tmp_path / "out" / "0.npy")
    assert found.shape == (1, 48, 64)
    assert found.dtype == np.uint8
    assert ((found - smooth) ** 2).mean() < 0.3 * ((noisy - smooth) ** 2).mean()
    assert (tmp_path / "out" / "1.npy").read_bytes() == (folder / "1.npy").read_bytes()
    isthmus.upscale(folder, out=tmp_path / "large")
    assert np.load(tmp_path / "large" / "0.npy").shape == (1, 96, 128)
