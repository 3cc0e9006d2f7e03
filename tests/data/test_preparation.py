"""The scale of an array depends on the run and the dtype only, not on the batch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from isthmus.data import open_data, prepared
from isthmus.errors import BadInput, Note

RANDOM = np.random.default_rng(0)
BYTES = {"shape": [1, 4, 4], "range": [0, 255], "float": False, "dtype": "uint8"}
SIXTEEN = {"shape": [1, 4, 4], "range": [0, 16], "float": False, "dtype": "int64"}  # as the built-in digits
TWELVE = {"shape": [1, 4, 4], "range": [0, 4095], "float": False, "dtype": "uint16"}
UNIT = {"shape": [1, 4, 4], "range": [0, 1], "float": True, "dtype": "float32"}
HOUNSFIELD = {"shape": [1, 4, 4], "range": [-1000, 1000], "float": True, "dtype": "int16"}


def read(x: Any, like: dict[str, Any]) -> tuple[float, list[str]]:
    """The greatest number of a constant picture as the model sees it, and what is noted."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Note)
        found = prepared(x, like)
    data = open_data(x, like=like)
    assert torch.equal(data.floats(), found), "the verbs read it as the methods do"
    assert data.notes == [str(one.message) for one in caught]
    return float(found.max()), data.notes


@pytest.mark.parametrize(
    ("like", "dtype", "value", "expected", "says"),
    [
        (BYTES, np.uint8, 51, 0.2, ""),
        (BYTES, np.int64, 51, 0.2, ""),
        (BYTES, np.uint16, 13107, 0.2, "uint16 values up to 13107 are read as shares of 65535"),
        (BYTES, np.uint16, 51, 51 / 65535, "shares of 65535"),  # too dark, and told so: never 51 of 255
        (BYTES, np.float32, 0.2, 0.2, ""),
        (BYTES, np.float64, 0.2, 0.2, ""),
        (BYTES, np.float32, 1.1, 1.1, ""),  # as noise makes them
        (BYTES, bool, True, 1.0, "bool values up to 1 are read as shares of 1"),
        (TWELVE, np.uint16, 819, 0.2, ""),
        (TWELVE, np.uint16, 8190, 2.0, "reach outside the 0..4095"),
        (TWELVE, np.uint8, 51, 0.2, "uint8 values up to 51 are read as shares of 255"),
        (TWELVE, np.int32, 819, 0.2, ""),
        (TWELVE, np.float32, 0.2, 0.2, ""),
        (SIXTEEN, np.uint8, 51, 0.2, ""),  # more than the 16 of the run: only a share of 255 can be meant
        (SIXTEEN, np.uint8, 15, 15 / 255, "uint8 values up to 15 are read as shares of 255"),
        (UNIT, np.float64, 0.2, 0.2, ""),
        (UNIT, np.uint8, 51, 0.2, ""),
        (UNIT, np.uint16, 13107, 0.2, "shares of 65535"),
        (UNIT, bool, True, 1.0, ""),
        (HOUNSFIELD, np.int16, -600, 0.2, ""),
        (HOUNSFIELD, np.float32, -600.0, 0.2, ""),
        (HOUNSFIELD, np.int16, 3000, 2.0, "reach outside the -1000..1000"),
    ],
)
def test_numbers_are_read_by_the_run_and_their_type(
    like: dict[str, Any], dtype: Any, value: float, expected: float, says: str
) -> None:
    found, notes = read(np.full((1, 4, 4), value, dtype), like)
    assert found == pytest.approx(expected, rel=1e-5)
    assert bool(notes) == bool(says)
    assert says in "".join(notes)


@pytest.mark.parametrize(
    ("like", "value", "says"),
    [
        (
            BYTES,
            np.float32(255),
            "float32 values from 255 to 255, but this run was trained on uint8 in",
        ),
        (BYTES, np.int16(-3), "int16 values from -3 to -3, but this run was trained on uint8"),
        (BYTES, np.int64(70000), "int64 values from 70000"),
        (TWELVE, np.float32(4095), "float32 values from 4095"),
        (UNIT, np.float32(255), "float32 values from 255"),
        (UNIT, np.int64(255), "int64 values from 255"),
        (BYTES, np.float32(np.nan), "NaN or infinite"),
        (BYTES, np.complex64(1), "complex numbers"),
    ],
)
def test_mismatched_arrays_are_refused_in_one_line(like: dict[str, Any], value: Any, says: str) -> None:
    x = np.full((2, 1, 4, 4), value)
    for take in (lambda: prepared(x, like), lambda: open_data(x, like=like)):
        with pytest.raises(BadInput, match=says) as caught:
            take()
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::isthmus.errors.Note")
@pytest.mark.parametrize("like", [BYTES, TWELVE, UNIT])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, bool])
def test_an_item_means_the_same_alone_as_in_any_batch(like: dict[str, Any], dtype: Any) -> None:
    dark = np.ones((1, 1, 4, 4), dtype)
    white = 1 if np.dtype(dtype).kind in "bf" else 255 if dtype == np.uint8 else 4095
    batch = np.concatenate([dark, np.full((3, 1, 4, 4), white, dtype)])
    assert torch.equal(prepared(dark, like)[0], prepared(batch, like)[0])
    assert torch.equal(prepared(dark, like)[0], open_data(batch, like=like).floats()[0])


def test_one_picture_of_other_channels_is_made_to_fit_and_a_set_is_refused() -> None:
    gray, color = RANDOM.integers(0, 256, (32, 32), np.uint8), {**BYTES, "shape": [3, 32, 32]}
    with pytest.warns(Note, match="one gray picture is made color, as this run takes 3×32×32"):
        found = prepared(gray, color)
    assert found.shape == (1, 3, 32, 32)
    assert torch.equal(found, torch.from_numpy(gray / np.float32(255)).expand(1, 3, 32, 32))
    for several in (np.zeros((2, 1, 32, 32), np.uint8), np.zeros((5, 32, 32), np.uint8), np.zeros((9, 3072), np.uint8)):
        for take in (prepared, lambda x, like: open_data(x, like=like)):
            with pytest.raises(BadInput, match="but this run takes 3×32×32"):
                take(several, color)


def test_a_model_that_is_not_trained_yet_takes_shares_of_white() -> None:
    like = {"shape": [1, 4, 4]}
    for x in (np.full((4, 4), 51, np.uint8), np.full((4, 4), 13107, np.uint16), np.full((4, 4), 0.2)):
        assert prepared(x, like).max() == pytest.approx(0.2)
    with pytest.raises(BadInput, match="not trained yet"):
        prepared(np.full((4, 4), 51), like)


def test_the_depth_of_a_set_is_inferred_noted_and_overridable(tmp_path: Path) -> None:
    low = RANDOM.integers(0, 3900, (6, 8, 8), np.uint16)
    low[0, 0, 0] = 3900
    data = open_data(low)
    assert data.range == (0, 4095)
    assert data.notes == ["values up to 3900: taken as 12 bits, white being 4095; --set white= names another"]
    named = open_data(low, white=16383)
    assert (named.range, named.notes) == ((0, 16383), [])
    with pytest.raises(BadInput, match="white=1: applies to integers"):
        open_data(low / 4095, white=1)


def test_pictures_of_twelve_bits_in_a_folder_are_trained_over_all_of_their_range(tmp_path: Path) -> None:
    import tifffile
    from PIL import Image

    low = RANDOM.integers(0, 3900, (6, 8, 8)).astype(np.uint16)
    low[5, 0, 0] = 3900
    for i, picture in enumerate(low):
        tifffile.imwrite(tmp_path / f"{i}.tif", picture)
    data = open_data(tmp_path)
    assert data.range == (0, 4095)
    assert "12 bits" in data.notes[0]
    like = {"shape": [1, 8, 8], "range": [0, 4095], "float": False, "dtype": "uint16"}
    found = open_data(tmp_path, like=like)
    assert found.notes == []
    assert torch.equal(found.floats(), prepared(low, like))
    assert torch.equal(found.floats()[2:3], prepared(tmp_path / "2.tif", like))
    tifffile.imwrite(tmp_path / "full.tif", low[0] * np.uint16(16))
    assert "reach outside the 0..4095" in open_data(tmp_path / "full.tif", like=like).notes[0]
    with pytest.warns(Note, match="reach outside"):
        prepared(tmp_path / "full.tif", like)
    Image.fromarray(np.full((8, 8), 51, np.uint8)).save(tmp_path / "a.png")
    assert open_data(tmp_path / "a.png", like=like).floats().max() == pytest.approx(0.2, abs=1e-4)
    assert prepared(tmp_path / "a.png", like).max() == pytest.approx(0.2, abs=1e-4)


def test_signed_scans_are_trained_on_their_range(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    for i in range(4):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", generate_uid()
        units = RANDOM.integers(-1000, 1201, (8, 8)).astype(np.int16)
        units[0, :2] = -1000, 1200
        pydicom.pixels.set_pixel_data(data, units, "MONOCHROME2", 16, generate_instance_uid=False)
        data.save_as(tmp_path / f"{i}.dcm", enforce_file_format=True)
    data = open_data(tmp_path)
    assert data.range == (31768, 33968)
    assert (float(data.floats().min()), float(data.floats().max())) == (0, 1)
    assert "scaled to 0..1" in data.notes[0]
    like = {"shape": [1, 8, 8], "range": [31768, 33968], "float": False, "dtype": "uint16"}
    assert torch.equal(open_data(tmp_path, like=like).floats(), data.floats())
    assert torch.equal(prepared(tmp_path / "2.dcm", like), data.floats()[2:3])
