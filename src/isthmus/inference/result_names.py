"""The names and formats of what is written into a folder."""

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
    """Raise BadInput for a format that is not written, or that `out` contradicts, and for a quality of nothing."""
    suffix = Path(out).suffix.lower() if out is not None and is_picture_name(Path(out)) else None
    if format is not None:
        if format not in FORMATS:
            raise unknown("format", format, FORMATS)
        if suffix not in (None, f".{format}"):
            raise BadInput(f"{out}: ends in {suffix}, and format is {format}: name one of the two")
        suffix = f".{format}"
    if jpeg_quality is not None:
        if not 1 <= jpeg_quality <= 100:
            raise BadInput(f"jpeg_quality is {jpeg_quality}: a whole number from 1 to 100 is accepted")
        if suffix not in (".jpg", ".jpeg"):
            raise BadInput("jpeg_quality: is of a JPEG, and none is written; format=jpg writes a folder of them")


def film_name(name: str) -> str:
    """Of what becomes of a film in a folder: its own, but .mkv where its kind cannot be written."""
    return f"{name}.mkv" if PurePosixPath(name).suffix.lower() in READ_ONLY else name


def result_name(folder: Path, name: str, format: str | None = None) -> str:
    """The format that is asked for, or .png, but .tif for a .tif of more than that can hold; .dcm and .npy stay so."""
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
        except BadInput:  # which is told when it is read
            pass
    return str(path.with_suffix(".png"))
