"""The result of a verb for one image: the image, further outputs by name, and metrics; its files and their names.

An image that equals its input is a copy of the input file, if the format allows.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

import numpy as np

from isthmus.data import is_picture_name, peek
from isthmus.errors import BadInput, unknown
from isthmus.files import atomic
from isthmus.media.file_content import is_dicom
from isthmus.media.image_file import needs_tiff, write_photo
from isthmus.media.photo import Photo
from isthmus.media.video.base import Film
from isthmus.media.video.containers import READ_ONLY

# The first bytes of files of a format, by the suffixes of the format.
SIGNATURES = {
    (".jpg", ".jpeg"): (b"\xff\xd8\xff",),
    (".png",): (b"\x89PNG",),
    (".tif", ".tiff"): (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    (".webp",): (b"RIFF",),
    (".bmp",): (b"BM",),
    (".npy",): (b"\x93NUM",),
}
FORMATS = ("png", "tif", "tiff", "jpg", "jpeg", "webp", "bmp")


class RunOptions(TypedDict, total=False):
    """The options of every verb that runs on images.

    model: the name of a shipped model, a run folder or a model. out: a file for a file, a folder for a folder. split,
    first: select items of a folder or data set. format: of the images in an output folder, such as jpg; by default png,
    or what the input needs. jpeg_quality: 1 to 100, 95 by default. resume: keep existing results. each: called with the
    metrics of each image. skip: called with the name of each file that cannot be processed, and the reason.
    """

    model: Any
    out: Path | str | None
    split: str | None
    first: int | None
    format: str | None
    jpeg_quality: int | None
    force: bool
    resume: bool
    each: Callable[[dict[str, Any]], None] | None
    skip: Callable[[str, str], None] | None


@dataclass
class Result:
    """The result for one image. outputs: a value for each kind of output that the verb declares to `run`.

    unchanged: the image equals the input, which the runner finds out. write: writes the file of the image, if it is not
    written as a photo, such as a label map.
    """

    image: Photo
    figures: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    unchanged: bool = False
    write: Callable[[Path], object] | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of output: the ending of its file name, as in photo-mask.png, and the function that writes the file.

    folder: of these files, below the output folder; "" for that of the image.
    """

    ending: str
    write: Callable[[Path, Any], object]
    folder: str = ""


def write_mask(path: Path, mask: np.ndarray | None) -> None:
    """Write H×W bool as a gray PNG of 0 and 255. Raises BadInput without a mask."""
    if mask is None:
        raise BadInput(f"{path}: this model predicts no mask that could be saved")
    write_photo(path, Photo(mask[..., None].astype(np.uint8) * np.uint8(255)))


MASK = Kind("-mask.png", write_mask)
Apply = Callable[[Photo, str], Result]  # an image and its name -> the result
FilmContext = Callable[[Film, str], AbstractContextManager[tuple[Apply, Callable[[], dict[str, Any]]]]]


def write_result(
    result: Result,
    folder: Path,
    files: Mapping[str, str],
    kinds: Mapping[str, Kind],
    source: Path | None,
    quality: int | None,
) -> None:
    """Write the outputs of each kind, then the image.

    files: names by kind, "" being the image. source: the input file. quality: of a JPEG.
    """
    for name, kind in kinds.items():
        kind.write(folder / files[name], result.outputs[name])
    out = folder / files[""]
    if result.write is not None:
        result.write(out)
        return
    copyable = result.unchanged and quality is None
    if not (copyable and source is not None and copy_if_same_format(source, out)):
        write_photo(out, result.image, quality)


def is_unchanged(before: Photo, after: Photo) -> bool:
    """Whether all samples are equal; identical array objects are not compared."""

    def same(old: np.ndarray | None, new: np.ndarray | None) -> bool:
        if old is None or new is None or old is new:
            return old is new
        return old.shape == new.shape and old.dtype == new.dtype and bool((old == new).all())

    pairs = ((before.pixels, after.pixels), (before.alpha, after.alpha), (before.bands, after.bands))
    return all(same(old, new) for old, new in pairs)


def copy_if_same_format(source: Path, out: Path) -> bool:
    """Copy the file atomically if it is a single image of the format of `out`; return whether it was copied."""
    if not _same_format(source, out):
        return False
    copy_file(source, out)
    return True


def copy_file(source: Path, out: Path) -> None:
    with atomic(out) as temporary:
        shutil.copyfile(source, temporary)


def _same_format(source: Path, out: Path) -> bool:
    suffix = out.suffix.lower()
    if is_dicom(source) or suffix == ".dcm":
        return is_dicom(source) and suffix == ".dcm"
    signatures = next((signatures for suffixes, signatures in SIGNATURES.items() if suffix in suffixes), ())
    with source.open("rb") as file:
        matches = file.read(4).startswith(tuple(signatures))
    return matches and not peek(source).several


def is_newer(source: Path, result: Path) -> bool:
    """Whether `source` was added or changed after `result` was written."""
    known = source.stat()
    return max(known.st_mtime, known.st_ctime) > result.stat().st_mtime


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
    others = [str(PurePosixPath(kind.folder, stem + kind.ending)) for kind in kinds.values() for stem in stems]
    names = unique_names([*results, *others])
    return [dict(zip(("", *kinds), names[row::count], strict=True)) for row in range(count)]
