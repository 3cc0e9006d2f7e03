"""The units of DICOM files: from the numbers that read_dicom makes of them to those that the files mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from isthmus.errors import BadInput
from isthmus.media.dicom.reader import GRAYS, is_dicom, opened

LOOKED_AT = 64  # files, evenly chosen


class Units(NamedTuple):
    """name: HU for Hounsfield, or as RescaleType has it; "stored numbers" where the file rescales nothing."""

    slope: float
    intercept: float
    name: str

    def of(self, value: float) -> float:
        return self.slope * value + self.intercept


def units_of(data: Any) -> Units:
    """Of a gray data set: from numbers 0..255 or 0..65535, bright being white, back over the stored ones."""
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
    """The units of gray DICOM files, where all of them are such and agree; else None."""
    found = set()
    for path in paths[:: max(1, -(-len(paths) // LOOKED_AT))]:
        if not is_dicom(path):
            return None
        try:
            data = opened(path)
        except BadInput:
            return None
        found.add(units_of(data) if data.PhotometricInterpretation in GRAYS else None)
    return found.pop() if len(found) == 1 else None
