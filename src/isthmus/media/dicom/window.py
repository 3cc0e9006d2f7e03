"""The display window of a DICOM: the range of values that is shown from black to white."""

from __future__ import annotations

from typing import Any

import numpy as np

WINDOW = ("WindowCenter", "WindowWidth")


def window_in(data: Any) -> tuple[float, float] | None:
    """(black, white) of the first window of a gray data set, in the values of read_dicom; None without one."""
    if any(data.get(key) is None for key in WINDOW) or "ModalityLUTSequence" in data:
        return None
    if not str(data.PhotometricInterpretation).startswith("MONOCHROME"):
        return None
    center, width = (float(np.ravel(data[key].value)[0]) for key in WINDOW)
    slope, intercept = float(data.get("RescaleSlope") or 1), float(data.get("RescaleIntercept") or 0)
    bits = int(data.BitsStored)
    greatest, full = 2**bits - 1, 255 if bits == 8 else 65535
    stored = [(center - 0.5 + half - intercept) / slope for half in (-(width - 1) / 2, (width - 1) / 2)]
    ends = [value + (2 ** (bits - 1) if data.PixelRepresentation else 0) for value in stored]
    if data.PhotometricInterpretation == "MONOCHROME1":
        ends = [greatest - value for value in ends]
    low, high = sorted(value * full / greatest for value in ends)
    return (low, high) if high > low else None
