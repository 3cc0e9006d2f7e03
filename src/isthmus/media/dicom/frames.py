"""A DICOM of several frames, as ultrasound, fluoroscopy and tomography have them, as a film."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from isthmus.errors import BadInput
from isthmus.media.dicom.reader import GRAYS, dicom_header, frames_of, is_dicom, pictures_of
from isthmus.media.dicom.writer import writing
from isthmus.media.image_file import Photo
from isthmus.media.metadata import Info
from isthmus.media.video.base import Film, Frame, WriteFrame


class Frames(Film):
    """Its frames in the order of the file, which may be times, slices or both; the data set stays with them."""

    suffixes = (".dcm",)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data, _ = pictures_of(path)
        self.count = frames_of(self.data)

    @staticmethod
    def several(path: Path) -> bool:
        """Whether there is more than one; a file that cannot be read is no film."""
        try:
            return is_dicom(path) and dicom_header(path).several
        except BadInput:
            return False

    def frames(self) -> Iterator[Frame]:
        for pixels in pictures_of(self.path)[1]:
            yield Frame(Photo(pixels, info=Info(dicom=self.data)))

    def range(self) -> tuple[float, float] | None:
        """The least and the greatest number of all frames of more than 8 bits, as of a single one."""
        if int(self.data.BitsStored) <= 8 or self.data.PhotometricInterpretation not in GRAYS:
            return None
        ends = [(float(pixels.min()), float(pixels.max())) for pixels in pictures_of(self.path)[1]]
        return min(low for low, _ in ends), max(high for _, high in ends)

    @contextmanager
    def writing(self, place: Path, suffix: str) -> Iterator[WriteFrame]:
        done: list[str] = []
        with writing(place, self.data, done, self.path, self.count) as put_pixels:

            def put(photo: Photo, frame: Frame) -> None:
                done[:] = [photo.done or "changed"]
                put_pixels(np.asarray(photo.pixels))

            yield put
