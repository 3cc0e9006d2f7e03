"""Files that state their white level, for a run on 12 bits in 16 without a stated white."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import isthmus
from isthmus.data import open_data, prepared
from isthmus.jobs.restoration.apply_model import with_range
from isthmus.media.image_file import read_photo

LIKE: dict[str, Any] = {"shape": [1, 16, 16], "range": [0, 4095], "float": False, "dtype": "uint16"}
TWELVE = (np.arange(256).reshape(16, 16) * 16 + 15).astype(np.uint16)
pytestmark = pytest.mark.filterwarnings("ignore::isthmus.errors.Note")


def written(kind: str, folder: Path) -> Path:
    path = folder / f"a.{kind}"
    if kind == "tif":
        tifffile.imwrite(path, TWELVE)
    elif kind == "pgm":
        path.write_bytes(b"P5\n# of a camera\n16 16\n4095\n" + TWELVE.astype(">u2").tobytes())
    elif kind == "ppm":
        path.write_bytes(b"P6 16 16 4095\n" + np.repeat(TWELVE, 3).astype(">u2").tobytes())
    elif kind == "packed":
        path = folder / "packed.tif"
        pytest.importorskip("imagecodecs")
        bits = np.unpackbits(TWELVE.astype(">u2").reshape(-1, 1).view(np.uint8), axis=1)[:, 4:]
        data = np.packbits(bits.reshape(16, -1), axis=1).tobytes()
        tifffile.imwrite(path, iter([data]), shape=(16, 16), dtype=np.uint16, bitspersample=12, rowsperstrip=16)
    else:
        pydicom = pytest.importorskip("pydicom")
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.uid import ExplicitVRLittleEndian, generate_uid

        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", generate_uid()
        pydicom.pixels.set_pixel_data(data, TWELVE, "MONOCHROME2", 12, generate_instance_uid=False)
        data.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("kind", ["tif", "pgm", "ppm", "packed", "dcm"])
def test_a_run_on_twelve_bits_reads_all_twelve_bits_alike(kind: str, tmp_path: Path) -> None:
    path = written(kind, tmp_path)
    for found in (open_data(path, like=LIKE).floats()[0, 0], prepared(path, LIKE)[0, 0]):
        assert np.abs(found.numpy() - TWELVE / 4095).max() < 2 / 4095
    model = isthmus.create("denoise", shape=(1, 16, 16), channels=(4,), blocks=(1,))
    model.about["input"] = LIKE
    photo = with_range(read_photo(path), model, {})
    assert photo.range is not None
    assert np.abs(photo.pixels[..., 0] / photo.range[1] - TWELVE / 4095).max() < 2 / 4095


@pytest.mark.parametrize("kind", ["pgm", "ppm", "packed", "dcm"])
def test_a_stated_white_is_used_for_dark_sets_too(kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(f"{__name__}.TWELVE", TWELVE // np.uint16(16))
    written(kind, tmp_path)
    data = open_data(tmp_path)
    assert data.range == (0.0, 65535.0)
    assert not data.notes
    assert np.abs(data.floats()[0, 0].numpy() - TWELVE / 4095).max() < 1e-3
