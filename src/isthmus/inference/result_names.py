"""Names and formats of the files in an output folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from isthmus.data import is_picture_name
from isthmus.errors import BadInput, unknown
from isthmus.media.dicom.reader import is_dicom
from isthmus.media.image_file import needs_tiff
from isthmus.media.video.containers import READ_ONLY

FORMATS = ("png", "tif", "tiff", "jpg", "jpeg", "webp", "bmp")


def check_format(out: Any, format: str | None, jpeg_quality: int | None) -> None:
    """Raise BadInput for an unsupported format, one that contradicts `out`, or a JPEG quality without a JPEG."""
    suffix = Path(out).suffix.lower() if out is not None and is_picture_name(Path(out)) else None
    if format is not None:
        if format not in FORMATS:
            raise unknown("format", format, FORMATS)
        if suffix not in (None, f".{format}"):
            raise BadInput(f"{out}: has the suffix {suffix}, but format is {format}: give only one of them")
        suffix = f".{format}"
    if jpeg_quality is not None:
        if not 1 <= jpeg_quality <= 100:
            raise BadInput(f"jpeg_quality is {jpeg_quality}: a whole number from 1 to 100 is accepted")
        if suffix not in (".jpg", ".jpeg"):
            raise BadInput("jpeg_quality: applies to JPEG output only; format=jpg writes a folder of JPEGs")


def video_result_name(name: str) -> str:
    """The name of the result of a video in a folder: its own, or with .mkv if its container cannot be written."""
    return f"{name}.mkv" if PurePosixPath(name).suffix.lower() in READ_ONLY else name


def result_name(folder: Path, name: str, format: str | None = None) -> str:
    """The name with the suffix of `format`; by default .npy and .dcm keep theirs, .tif too if PNG cannot hold it, and
    everything else becomes .png."""
    path = PurePosixPath(name)
    if format is not None:
        return str(path.with_suffix(f".{format}"))
    if path.suffix.lower() == ".npy":
        return name
    if is_dicom(folder / name):
        return name if path.suffix.lower() == ".dcm" else f"{name}.dcm"
    if path.suffix.lower() in (".tif", ".tiff"):
        try:
            return str(path.with_suffix(".tif" if needs_tiff(folder / name) else ".png"))
        except BadInput:  # reported when the file is read
            pass
    return str(path.with_suffix(".png"))
