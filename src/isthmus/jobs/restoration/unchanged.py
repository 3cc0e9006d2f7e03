"""A result that is the picture as it was: then its file is copied, to the byte, where it may keep its format."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from isthmus.data import peek
from isthmus.files import atomic
from isthmus.media.dicom.reader import is_dicom
from isthmus.media.image_file import Photo

# How the files of a format begin, by the suffixes that such a file may have.
BEGINNINGS = {
    (".jpg", ".jpeg"): (b"\xff\xd8\xff",),
    (".png",): (b"\x89PNG",),
    (".tif", ".tiff"): (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    (".webp",): (b"RIFF",),
    (".bmp",): (b"BM",),
    (".npy",): (b"\x93NUM",),
}


def untouched(before: Photo, after: Photo) -> bool:
    """Whether all samples are the same; one array that is the other is not looked through."""

    def same(old: np.ndarray | None, new: np.ndarray | None) -> bool:
        if old is None or new is None or old is new:
            return old is new
        return old.shape == new.shape and old.dtype == new.dtype and bool((old == new).all())

    pairs = ((before.pixels, after.pixels), (before.alpha, after.alpha), (before.bands, after.bands))
    return all(same(old, new) for old, new in pairs)


def copied(source: Path, out: Path) -> bool:
    """Copy the file, whole or not at all, if it is one picture of the format that `out` names; whether it was."""
    if not _fits(source, out):
        return False
    copy(source, out)
    return True


def copy(source: Path, out: Path) -> None:
    with atomic(out) as temporary:
        shutil.copyfile(source, temporary)


def _fits(source: Path, out: Path) -> bool:
    suffix = out.suffix.lower()
    if is_dicom(source) or suffix == ".dcm":
        return is_dicom(source) and suffix == ".dcm"
    beginnings = next((heads for suffixes, heads in BEGINNINGS.items() if suffix in suffixes), ())
    with source.open("rb") as file:
        begins = file.read(4).startswith(tuple(beginnings))
    return begins and not peek(source).several
