"""A folder of pictures, or one picture: found, looked at, then read whole or a batch at a time."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from isthmus.data import base, fitting
from isthmus.data.base import Data, numpy_type, range_of, shape_of, times
from isthmus.data.deep import Header
from isthmus.data.pictures import SUFFIXES, is_picture_name, peek, read_picture
from isthmus.errors import BadInput

MIXED_SIZE = 64  # the side where sizes are mixed and none was asked for
ENDS = 65536  # bytes of each end of a file that go into the fingerprint
In = TypeVar("In")
Out = TypeVar("Out")


def find_pictures(folder: Path) -> tuple[list[str], Counter[str]]:
    """Relative posix names of the pictures below `folder`, sorted, and a count of the other suffixes.

    Links to folders are followed, each folder once, so a loop ends. Hidden files and folders are left out.
    """
    names: list[str] = []
    others: Counter[str] = Counter()
    seen: set[tuple[int, int]] = set()
    if not os.access(folder, os.R_OK | os.X_OK):
        raise BadInput(f"{folder}: cannot be read (permission denied)")
    for where, folders, files in os.walk(folder, followlinks=True):
        status = os.stat(where)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            path = Path(where, name)
            if name.startswith("."):
                continue
            if is_picture_name(name) and (path.is_file() or not path.exists()):  # a pipe would wait for ever
                names.append(path.relative_to(folder).as_posix())
            else:
                others[path.suffix.lower() or "files without a suffix"] += 1
    return sorted(names), others


def parallel(function: Callable[[In], Out], inputs: Iterable[In]) -> list[Out]:
    """In order, in a few threads: Pillow lets go of the interpreter while it decodes."""
    with ThreadPoolExecutor(max(2, min(4, os.cpu_count() or 1))) as pool:
        return list(pool.map(function, inputs))


@dataclass
class Files:
    """Picture files that all become one shape and type, read when asked for."""

    paths: Sequence[Path]
    shape: tuple[int, int, int]
    dtype: torch.dtype

    def one(self, path: Path) -> np.ndarray:
        _, height, width = self.shape
        picture = read_picture(path, shorter=max(height, width))
        return fitting.fit(picture, self.shape, numpy_type(self.dtype))

    def read(self, indices: np.ndarray) -> Tensor:
        """N×C×H×W. Raises BadInput naming the file for one that has broken since it was opened."""
        pictures = parallel(self.one, [self.paths[i] for i in indices])
        whole = np.stack(pictures) if pictures else np.empty((0, *self.shape), numpy_type(self.dtype))
        return torch.from_numpy(whole)

    def read_all(self) -> tuple[Tensor, dict[int, str]]:
        """Everything that can be read, and why the others cannot, by their place."""
        whole = np.empty((len(self.paths), *self.shape), numpy_type(self.dtype))

        def fill(place: int) -> str:
            try:
                whole[place] = self.one(self.paths[place])
            except BadInput as error:
                return why(error, self.paths[place])
            return ""

        reasons = parallel(fill, range(len(self.paths)))
        broken = {place: reason for place, reason in enumerate(reasons) if reason}
        good = [place for place in range(len(self.paths)) if place not in broken]
        return torch.from_numpy(whole[good] if broken else whole), broken


def why(error: BadInput, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")


def open_pictures(
    path: Path,
    *,
    size: int | None = None,
    gray: bool | None = None,
    like: Mapping[str, Any] | None = None,
    first: int | None = None,
) -> Data:
    """All pictures of a folder, or one file, as pictures of one shape.

    The shape is that of `like`, or `size`×`size`, or the one that all share, or 64×64 with a note. Gray where
    every file is gray or it is asked for; 16 bits where any file has them. Broken files are named in
    `skipped`; only when the whole does not fit MEMORY_BUDGET can one come up later, as BadInput from `batch`.

    Raises BadInput where no picture can be read.
    """
    shown = str(path)
    if path.is_dir():
        shown = shown.rstrip("/") + "/"
        names, others = find_pictures(path)
        if not names:
            raise nothing_in(shown, others)
        paths = [path / name for name in names]
    else:
        names, paths = [path.name], [path]
    names, paths = names[:first], paths[:first]

    headers: dict[int, Header] = {}
    skipped: dict[int, str] = {}

    def look(place: int) -> None:
        try:
            names[place].encode()  # a name of stray bytes could be written into no result
            headers[place] = peek(paths[place])
        except UnicodeEncodeError:
            names[place] = names[place].encode(errors="replace").decode()
            skipped[place] = "its name is not UTF-8"
        except BadInput as error:
            skipped[place] = why(error, paths[place])

    parallel(look, range(len(paths)))
    notes: list[str] = []
    if headers:
        places = sorted(headers)
        shape, dtype = choose_shape(list(headers.values()), size, gray, like, notes, shown)
        files = Files([paths[i] for i in places], shape, dtype)
        items: Tensor | Files = files
        if len(places) * int(np.prod(shape)) * dtype.itemsize <= base.MEMORY_BUDGET:
            items, broken = files.read_all()
            skipped |= {places[i]: reason for i, reason in broken.items()}
            places = [place for place in places if place not in skipped]
    reasons = [(names[i], skipped[i]) for i in sorted(skipped)]
    if len(skipped) == len(paths):
        if path.is_file():
            raise BadInput(f"{path}: {reasons[0][1]}")
        told = "; ".join(f"{name}: {reason}" for name, reason in reasons[:3])
        more = "; …" if len(reasons) > 3 else ""
        raise BadInput(f"{shown}: no picture that can be read ({len(reasons)} broken: {told}{more})")
    kept = [names[i] for i in places]
    source = {
        "kind": "folder" if path.is_dir() else "file",
        "path": str(path.resolve()),
        "fingerprint": fingerprint([paths[i] for i in places], kept),
        "count": len(kept),
        "size": list(shape[1:]),
        "gray": shape[0] == 1,
    }
    data_range = (0.0, 65535.0 if dtype == torch.uint16 else 255.0)
    return Data(items, shape, data_range, kept, skipped=reasons, notes=notes, source=source)


def choose_shape(
    headers: Sequence[Header],
    size: int | None,
    gray: bool | None,
    like: Mapping[str, Any] | None,
    notes: list[str],
    shown: str,
) -> tuple[tuple[int, int, int], torch.dtype]:
    """The one (C, H, W) and type that files with these headers become."""
    deep = any(header.deep for header in headers)
    channels = 1 if (all(header.gray for header in headers) if gray is None else gray) else 3
    sizes = {(header.height, header.width) for header in headers}
    if like is not None:
        wanted = shape_of(like)
        deep = {255.0: False, 65535.0: True}.get(range_of(like)[1], deep)
        if len(wanted) == 3 and wanted[0] in (1, 3):
            channels, height, width = wanted
        elif len(wanted) == 1 and len(sizes) == 1 and channels * int(np.prod(next(iter(sizes)))) == wanted[0]:
            height, width = next(iter(sizes))  # a run on rows of numbers: open_data flattens
        else:
            raise BadInput(f"{shown}: holds pictures, but this run takes {base.kind_of_item(wanted)}")
    elif size is not None:
        height = width = size
    elif len(sizes) == 1:
        height, width = next(iter(sizes))
    else:
        height = width = MIXED_SIZE
        notes.append(
            f"pictures of mixed sizes: each made {times((height, width))} (shorter side, centre crop); "
            "--size chooses another"
        )
    return (channels, height, width), torch.uint16 if deep else torch.uint8


def nothing_in(shown: str, others: Counter[str]) -> BadInput:
    if not others:
        return BadInput(f"{shown}: is empty")
    kinds = ", ".join(suffix for suffix, _ in others.most_common(5))
    return BadInput(f"{shown}: holds no pictures ({', '.join(SUFFIXES)}); it holds {kinds}")


def fingerprint(paths: Sequence[Path], names: Sequence[str]) -> str:
    """sha256 over each name, length, and the first and last 64 KiB of the file.

    A renamed, added, removed or re-encoded picture changes it; reading every byte would not pay.
    """
    digest = hashlib.sha256()
    for path, name in zip(paths, names, strict=True):
        length = path.stat().st_size
        digest.update(f"{name}\0{length}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(ENDS))
            if length > ENDS:
                file.seek(max(ENDS, length - ENDS))
                digest.update(file.read(ENDS))
    return digest.hexdigest()
