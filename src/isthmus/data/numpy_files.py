"""Numpy files as Data: .npy memory-mapped, .npz unpacked. Nothing is ever unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.array_layout import ACCEPTED
from isthmus.data.arrays import open_array
from isthmus.data.base import Data
from isthmus.errors import BadInput
from isthmus.media.array_values import check_type, objects
from isthmus.types import times

KEYS = ("x", "images", "data", "x_train", "arr_0")
LABELS = ("y", "labels", "y_train")
NPZ_LIMIT = 2**34  # bytes: a key of an .npz is unpacked into memory, and a few bytes on disk may expand to any size


def open_file(path: Path, like: Mapping[str, Any] | None = None, picture: bool = False, kind: str = "") -> Data:
    """Open a .npy or .npz file. Nothing is unpickled, so no code in it can run. picture, kind: as in open_array."""
    array, labels = load(path)
    source = {"kind": "file", "path": str(path.resolve())}
    return open_array(array, name=str(path), source=source, like=like, labels=labels, picture=picture, kind=kind)


def load(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The array of a .npy or .npz file, and the labels in a .npz. Raises BadInput, naming the file."""
    if path.stat().st_size == 0:
        raise BadInput(f"{path}: empty file (0 bytes); accepted is a .npy or .npz of numbers")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                sizes = {Path(info.filename).stem: info.file_size for info in archive.infolist()}
            with np.load(path, allow_pickle=False) as archive_:
                return _from_npz(path, archive_, sizes)
        with path.open("rb") as file:
            if file.read(6) != b"\x93NUMPY":
                raise BadInput(f"{path}: not a numpy file; accepted is a .npy or .npz of numbers")
        _header_check(path)
        return np.load(path, mmap_mode="r", allow_pickle=False), None
    except BadInput:
        raise
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, MemoryError, SyntaxError) as error:
        if "object" in str(error).lower():
            raise objects(str(path)) from error
        raise BadInput(f"{path}: truncated or broken numpy file; accepted is a .npy or .npz of numbers") from error


def _header_check(path: Path) -> None:
    """Refuse objects and empty arrays by the header: mapping them fails with unclear messages."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    check_type(dtype, str(path))
    if 0 in shape:
        raise BadInput(f"{path}: holds no items (shape {times(shape)}); {ACCEPTED}")


def _from_npz(path: Path, archive: Any, sizes: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray | None]:
    keys = list(archive.files)
    known = [key for key in KEYS if key in keys]
    others = [key for key in keys if key not in LABELS] or keys
    if not known and len(others) != 1:
        contents = f"it holds {', '.join(keys)}" if keys else "it is empty"
        accepted = f"accepted is one array, or a key of {', '.join(KEYS)}"
        raise BadInput(f"{path}: which array is the data? {contents}; {accepted}")
    key = known[0] if known else others[0]
    if sizes.get(key, 0) > NPZ_LIMIT:
        raise BadInput(f"{path}: {key} is too large to unpack; save it as .npy, which is read from the disk")
    label = next((name for name in LABELS if name in keys), None)
    return archive[key], archive[label] if label else None
