"""Units of DICOM files: from the values of read_dicom to physical ones, such as Hounsfield units."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from isthmus.errors import BadInput
from isthmus.media.dicom.reader import GRAYS, read_dataset
from isthmus.media.file_content import is_dicom

SAMPLED = 64  # files, evenly spaced


class Units(NamedTuple):
    """name: HU for Hounsfield, or the RescaleType; "stored numbers" without a rescale."""

    slope: float
    intercept: float
    name: str

    def of(self, value: float) -> float:
        return self.slope * value + self.intercept


def units_of(data: Any) -> Units:
    """Units of a gray data set: a linear map of the values of read_dicom (0..255 or 0..65535, bright being white)."""
    bits = int(data.BitsStored)
    greatest, full = 2**bits - 1, 255 if bits == 8 else 65535
    flipped = data.PhotometricInterpretation == "MONOCHROME1"
    slope, start = (-greatest / full, greatest) if flipped else (greatest / full, 0)
    start -= 2 ** (bits - 1) if data.PixelRepresentation else 0
    known = "RescaleSlope" in data or "RescaleIntercept" in data
    by, to = float(data.get("RescaleSlope") or 1), float(data.get("RescaleIntercept") or 0)
    name = str(data.get("RescaleType") or ("HU" if data.get("Modality") == "CT" else "rescaled values"))
    return Units(slope * by, start * by + to, name if known else "stored numbers")


def shared_units(paths: Sequence[Path]) -> Units | None:
    """The units of gray DICOM files if all files are gray DICOM and agree; else None."""
    units = set()
    for path in paths[:: max(1, -(-len(paths) // SAMPLED))]:
        if not is_dicom(path):
            return None
        try:
            data = read_dataset(path)
        except BadInput:
            return None
        units.add(units_of(data) if data.PhotometricInterpretation in GRAYS else None)
    return units.pop() if len(units) == 1 else None
