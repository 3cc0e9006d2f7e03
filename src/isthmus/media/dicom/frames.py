"""DICOM files of several frames (ultrasound, fluoroscopy, tomography) as videos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from isthmus.errors import BadInput
from isthmus.media.dicom.reader import GRAYS, dicom_header, frames_of, pictures_of
from isthmus.media.dicom.writer import dicom_writer
from isthmus.media.file_content import is_dicom
from isthmus.media.metadata import Info
from isthmus.media.photo import Photo
from isthmus.media.video.base import Film, Frame, WriteFrame


class Frames(Film):
    """The frames in the order of the file, which may be times, slices or both, each with the data set."""

    suffixes = (".dcm",)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data, _ = pictures_of(path)
        self.count = frames_of(self.data)

    @staticmethod
    def several(path: Path) -> bool:
        """Whether the file has more than one frame; False for a file that cannot be read."""
        try:
            return is_dicom(path) and dicom_header(path).several
        except BadInput:
            return False

    def frames(self) -> Iterator[Frame]:
        for pixels in pictures_of(self.path)[1]:
            yield Frame(Photo(pixels, info=Info(dicom=self.data)))

    def range(self) -> tuple[float, float] | None:
        """Minimum and maximum over all frames of more than 8 bits; None for 8 bits and color."""
        if int(self.data.BitsStored) <= 8 or self.data.PhotometricInterpretation not in GRAYS:
            return None
        ends = [(float(pixels.min()), float(pixels.max())) for pixels in pictures_of(self.path)[1]]
        return min(low for low, _ in ends), max(high for _, high in ends)

    @contextmanager
    def writing(self, path: Path, suffix: str) -> Iterator[WriteFrame]:
        done: list[str] = []
        with dicom_writer(path, self.data, done, self.path, self.count) as put_pixels:

            def put(photo: Photo, frame: Frame) -> None:
                done[:] = [photo.done or "changed"]
                put_pixels(np.asarray(photo.pixels))

            yield put
