"""DICOM files with made-up X-rays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
uid = pydicom.uid
RANDOM = np.random.default_rng(0)


def scan(
    path: Path, bits: int = 12, signed: bool = False, kind: str = "MONOCHROME2", size: tuple[int, int] = (9, 11)
) -> np.ndarray:
    """Write a made-up X-ray of random numbers, and return them."""
    low = -(2 ** (bits - 1)) if signed else 0
    pixels = RANDOM.integers(low, low + 2**bits, size).astype(f"{'i' if signed else 'u'}{1 if bits == 8 else 2}")
    pixels.flat[:2] = low, low + 2**bits - 1
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = uid.DigitalXRayImageStorageForPresentation, uid.generate_uid()
    data.PatientName, data.PatientID, data.ImageType = "Doe^Jane", "0017", ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.WindowCenter, data.WindowWidth, data.RescaleSlope, data.RescaleIntercept = 40, 400, 2, -1024
    data.PixelSpacing, data.ImagerPixelSpacing = [0.5, 0.25], [0.6, 0.3]
    data.ImagePositionPatient, data.ImageOrientationPatient = [1, 2, 3], [1, 0, 0, 0, 1, 0]
    data.add_new(0x00091001, "LO", "somebody's own")
    pydicom.pixels.set_pixel_data(data, pixels, kind, bits, generate_instance_uid=False)
    data.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian
    data.save_as(path, enforce_file_format=True)
    return pixels


class Same:
    """A stand-in for a net, whose function is `does`."""

    def __init__(self, does: Any = lambda x: x, scale: int = 1) -> None:
        self.does, self.scale, self.shape, self.reach, self.stride = does, scale, (1, 16, 16), 3, 1

    def restore(self, x: Any) -> Any:
        return self.does(x)

    def to(self, device: str) -> Same:
        return self

    def parameters(self) -> list[Any]:
        return []


def larger(x: Any) -> Any:
    return x.repeat_interleave(2, -1).repeat_interleave(2, -2)
