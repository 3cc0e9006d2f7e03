"""show: figures in the numbers that the files mean, exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import isthmus
from isthmus.cli import main
from isthmus.errors import BadInput

pytestmark = pytest.mark.filterwarnings("ignore::isthmus.errors.Note")


def scan(path: Path, units: np.ndarray, kind: str, bits: int, **header: Any) -> Path:
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", generate_uid()
    for name, value in header.items():
        setattr(data, name, value)
    pydicom.pixels.set_pixel_data(data, units, kind, bits, generate_instance_uid=False)
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("dtype", "bits", "header", "low", "high", "units"),
    [
        (np.int16, 16, {}, -1098, 973, "stored numbers"),
        (np.int16, 16, {"RescaleSlope": 1, "RescaleIntercept": 0, "Modality": "CT"}, -1098, 973, "HU"),
        (np.uint16, 12, {"RescaleSlope": 1, "RescaleIntercept": -1024, "Modality": "CT"}, -1024, 3071, "HU"),
        (np.uint16, 12, {"RescaleSlope": 0.5, "RescaleIntercept": 3, "RescaleType": "OD"}, 3, 2050.5, "OD"),
    ],
)
def test_a_scan_is_described_in_its_units(
    kind: str, dtype: Any, bits: int, header: dict[str, Any], low: float, high: float, units: str, tmp_path: Path
) -> None:
    slope, intercept = header.get("RescaleSlope", 1), header.get("RescaleIntercept", 0)
    stored = np.rint((np.linspace(low, high, 256) - intercept) / slope).reshape(16, 16).astype(dtype)
    scan(tmp_path / "a.dcm", stored, kind, bits, **header)
    facts, _ = isthmus.show(tmp_path / "a.dcm")
    assert (facts["lowest"], facts["highest"]) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))
    assert facts["mean"] == pytest.approx((stored.astype(float) * slope + intercept).mean(), abs=0.51 * slope)
    assert facts["units"] == units


def test_whole_numbers_are_exact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.linspace(3, 65535, 256).reshape(16, 16).astype(np.uint16))
    with pytest.raises(SystemExit):
        main(["show", str(tmp_path / "a.tif"), "--out", str(tmp_path / "s.png")])
    printed = capsys.readouterr().out
    assert "65,535" in printed
    assert "units" not in printed


def test_a_table_is_shown_as_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,\n5,7\n4,4\n")
    with pytest.raises(BadInput, match="--set missing=median or missing=drop"):
        isthmus.show(tmp_path / "a.csv")
    for rule, count in (("median", 4), ("drop", 3)):
        with pytest.raises(SystemExit):
            main(["show", str(tmp_path / "a.csv"), "--set", f"missing={rule}", "-o", str(tmp_path / f"{rule}.png")])
        assert isthmus.show(tmp_path / "a.csv", missing=rule)[0]["items"] == count
    with pytest.raises(BadInput, match="unknown key for show 'mising': did you mean 'missing'"):
        isthmus.show(tmp_path / "a.csv", mising="drop")
