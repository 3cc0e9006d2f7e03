"""Faults of label files are said in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers.labels import SIZE, boxes, opened
from PIL import Image

from isthmus.errors import BadInput


def fault(masks: Path, pictures: Path, **options: object) -> str:
    with pytest.raises(BadInput) as caught:
        opened(masks, pictures, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_faults_are_said_in_one_line(save, pictures: Path, tmp_path: Path) -> None:
    for name in "abc":
        save(boxes(), f"one/{name}.png")
        save(boxes(255) if name != "b" else boxes(255)[:-4], f"size/{name}.png")
        save(boxes(255), f"names/mask of {name}.png")
        save(Image.fromarray(boxes(200, 90)), f"soft/{name}.jpg", quality=60)
        save(boxes(255), f"two/{name}_mask.png")
        save(boxes(255), f"two/{name}_seg.png")
    (tmp_path / "float").mkdir()
    tifffile.imwrite(tmp_path / "float" / "a.tif", np.zeros(SIZE, np.float32))
    (tmp_path / "nifti").mkdir()
    (tmp_path / "nifti" / "a.nii.gz").write_bytes(b"x")
    (tmp_path / "pickle").mkdir()
    np.save(tmp_path / "pickle" / "a_seg.npy", {"masks": 1}, allow_pickle=True)
    np.save(tmp_path / "pickle" / "x.npy", {"masks": 1}, allow_pickle=True)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    (tmp_path / "empty").mkdir()
    assert "all pixels have the value 0" in fault(tmp_path / "one", pictures)
    assert "size/b.png: 30×20 pixels, and" in fault(tmp_path / "size", pictures)
    assert "no label file has the name of a picture" in fault(tmp_path / "names", pictures)
    assert "artifacts of JPEG" in fault(tmp_path / "soft", pictures)
    assert "two label files (a_mask.png, a_seg.png)" in fault(tmp_path / "two", pictures)
    assert "a mask of float32 numbers" in fault(tmp_path / "float", pictures)
    assert "volumes are not read" in fault(tmp_path / "nifti", pictures)
    assert "a.nii.gz: volumes are not read" in fault(tmp_path / "nifti" / "a.nii.gz", pictures)
    assert "a_seg.npy: is a pickle" in fault(tmp_path / "pickle", pictures)
    assert "broken/a.png" in fault(tmp_path / "broken", pictures)
    assert "holds no labels" in fault(tmp_path / "empty", pictures)
    assert "no such file or folder" in fault(tmp_path / "none", pictures)
    assert "ignore=red" in fault(tmp_path / "size", pictures, ignore="red")
