"""Names and formats of output files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from isthmus.data import is_picture_name
from isthmus.errors import BadInput, unknown
from isthmus.inference.result import Kind
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


def unique_names(names: Sequence[str], sources: Sequence[str] | None = None) -> list[str]:
    """Names of results without duplicates. Where a.jpg and a.png would both become a.png, the result of a.jpg is called
    a.jpg.png: the name says which file it comes from, and stays when other files are added to the folder.

    sources: the names of the inputs; without them -2, -3 ... is appended to duplicates.
    """
    count = Counter(names)
    taken: set[str] = set()
    result = []
    for name, source in zip(names, sources or names, strict=True):
        if count[name] > 1 and source != name:
            name = f"{source}{PurePosixPath(name).suffix}"
        path, number = PurePosixPath(name), 1
        while str(path) in taken:
            number += 1
            path = PurePosixPath(name).with_stem(f"{PurePosixPath(name).stem}-{number}")
        taken.add(str(path))
        result.append(str(path))
    return result


def output_names(
    results: Sequence[str], kinds: Mapping[str, Kind], sources: Sequence[str] | None = None
) -> list[dict[str, str]]:
    """Unique file names for each result: of its image, by "", and of each kind. sources: the names of the inputs."""
    results, count = unique_names(results, sources), len(results)
    stems = [str(PurePosixPath(name).with_suffix("")) for name in results]
    names = unique_names([*results, *(stem + kind.ending for kind in kinds.values() for stem in stems)])
    return [dict(zip(("", *kinds), names[row::count], strict=True)) for row in range(count)]
