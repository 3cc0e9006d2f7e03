"""Shards as Data: tar files of images in the format of webdataset, local or remote, for sets of millions of images.

A folder (or an address, such as s3://bucket/set) with index.json and shard-00000.tar, shard-00001.tar ...; the index
holds the name, count, length and sha256 of each. Remote shards are fetched one at a time through fsspec, verified, and
kept in the cache up to CACHE_BYTES. Local tar files of other tools need no index.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tarfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data.base import Data, Numbered, numpy_type
from isthmus.data.download import cache_folder, checksum
from isthmus.data.folders import choose_shape
from isthmus.data.preparation import file_numbers
from isthmus.data.skip_corrupt import decode_each
from isthmus.errors import BadInput
from isthmus.fields import ends_of
from isthmus.files import atomic
from isthmus.media import resize
from isthmus.media.array_values import Span
from isthmus.media.bit_depth import choose_range
from isthmus.media.file_content import Header
from isthmus.media.image_reader import is_picture_name, read_bytes

INDEX = "index.json"
CACHE_BYTES = 50 * 10**9  # of fetched shards on this disk
SAMPLED = 64  # images of the first shard from which the shape is chosen


class Shards:
    """The images of many tar files as items; `starts` are the indices of the first item of each."""

    def __init__(self, location: str, shards: Sequence[Mapping[str, Any]]) -> None:
        self.location, self.shards = location, shards
        self.starts = np.cumsum([0, *(shard["count"] for shard in shards)])[:-1]
        self.shape: tuple[int, int, int] = (0, 0, 0)
        self.dtype = torch.uint8
        self.white = 65535.0  # of 16 bits; images of 8 bits are scaled to it
        self.lock = threading.Lock()
        self.members = lru_cache(maxsize=320)(self._members)  # more than the shards that are open at a time, 256

    def local(self, number: int) -> Path:
        """The local tar file, fetched first if the shards are remote. Raises BadInput for wrong bytes."""
        shard = self.shards[number]
        if "://" not in self.location:
            return Path(self.location, shard["name"])
        path = cache_folder() / "shards" / f"{shard['sha256'][:32]}.tar"
        with self.lock:
            if not path.exists():
                make_room(path.parent, shard["bytes"])
                with atomic(path) as temporary:
                    fetch(f"{self.location}/{shard['name']}", temporary)
                    if checksum(temporary) != shard["sha256"]:
                        raise BadInput(
                            f"{self.location}/{shard['name']}: is not what {INDEX} says (its sha256 differs)"
                        )
            os.utime(path)
        return path

    def _members(self, number: int) -> list[tuple[str, int, int]]:
        members, shard = members_of(self.local(number)), self.shards[number]
        if len(members) != shard["count"]:
            raise BadInput(
                f"{self.location}/{shard['name']}: holds {len(members)} pictures, not {shard['count']} as in {INDEX}"
            )
        return members

    def bytes_of(self, number: int, indices: Sequence[int]) -> list[tuple[str, bytes]]:
        """(name, contents) of images of one shard."""
        members = [self.members(number)[index] for index in indices]
        with self.local(number).open("rb") as file:
            shard = self.shards[number]["name"]
            return [(f"{shard}/{name}", _read(file, first, size)) for name, first, size in members]

    def read(self, indices: np.ndarray) -> Tensor:
        """N×C×H×W. Raises CorruptFiles naming shard and image for a broken image, BadInput for a broken shard."""
        items = np.empty((len(indices), *self.shape), numpy_type(self.dtype))
        homes = np.searchsorted(self.starts, indices, side="right") - 1
        contents: dict[int, tuple[str, bytes]] = {}
        for home in np.unique(homes):
            rows = np.flatnonzero(homes == home)
            images = self.bytes_of(int(home), [int(index) for index in indices[rows] - self.starts[home]])
            contents |= zip(rows.tolist(), images, strict=True)

        def decode(row: int) -> None:
            name, data = contents[row]
            items[row] = resize.fit(
                read_bytes(data, name, max(self.shape[1:])), self.shape, items.dtype, white=self.white
            )

        decode_each(decode, sorted(contents))
        return torch.from_numpy(items)


def _read(file: Any, first: int, size: int) -> bytes:
    file.seek(first)
    return file.read(size)


def is_shards(location: str) -> bool:
    """Whether this is an address, or a folder of tar files without images."""
    if "://" in location or not Path(location).is_dir():
        return "://" in location
    return any(Path(location).glob("*.tar")) and not any(map(is_picture_name, Path(location).iterdir()))


def open_shards(
    location: str, *, size: int | None = None, gray: bool | None = None, like: Mapping[str, Any] | None = None
) -> Data:
    """All images of a folder or address of shards, with one shape, chosen as for a folder of images.

    Raises BadInput for an address without an index, for shards without images, and as open_pictures does.
    """
    location = location.rstrip("/")
    shards = read_index(location)
    if not sum(shard["count"] for shard in shards):
        raise BadInput(f"{location}: its shards hold no pictures")
    items, notes = Shards(location, shards), list[str]()
    first = next(number for number, shard in enumerate(shards) if shard["count"])
    headers, highest = sample_headers(items.bytes_of(first, range(min(SAMPLED, shards[first]["count"]))))
    items.shape = choose_shape(headers, size, gray, like, None, None, notes, location)
    items.dtype, data_range = file_numbers(like or {}, deep=any(header.deep for header in headers))
    items.white = ends_of(data_range)[1]
    if items.dtype == torch.uint16 and like is None:
        data_range = choose_range(np.dtype(np.uint16), Span(0.0, highest), notes)
    entries = [[shard["name"], shard["count"], shard["bytes"]] for shard in shards]
    count = sum(shard["count"] for shard in shards)
    source = {
        "kind": "shards",
        "path": location if "://" in location else str(Path(location).resolve()),
        "fingerprint": hashlib.sha256(json.dumps(entries).encode()).hexdigest(),
        "count": count,
        "size": list(items.shape[1:]),
        "gray": items.shape[0] == 1,
    }
    names = Numbered(range(count), len(str(count)))
    return Data(items, items.shape, data_range, names, notes=notes, source=source)


def sample_headers(images: Sequence[tuple[str, bytes]]) -> tuple[list[Header], float]:
    """(headers of the readable images, their maximum value). Raises BadInput if none can be read."""
    headers, reasons, highest = list[Header](), list[str](), 0.0
    for name, data in images:
        try:
            picture = read_bytes(data, name)
        except BadInput as error:
            reasons.append(str(error))
        else:
            _, height, width = picture.shape
            headers.append(Header(height, width, len(picture) == 1, picture.dtype == np.uint16))
            highest = max(highest, float(picture.max()))
    if not headers:
        raise BadInput(reasons[0] + (f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""))
    return headers, highest


def read_index(location: str) -> list[dict[str, Any]]:
    """The shards listed in index.json, or, for local shards without it, in the folder."""
    if "://" in location:
        path = cache_folder() / "shards" / f"{hashlib.sha256(location.encode()).hexdigest()[:32]}.json"
        with atomic(path) as temporary:
            fetch(f"{location}/{INDEX}", temporary)
    else:
        path = Path(location, INDEX)
    try:
        if path.exists():
            shards = list(json.loads(path.read_text(encoding="utf-8"))["shards"])
            if not all(is_valid(shard, "://" in location) for shard in shards):
                raise ValueError("each shard needs a relative name, a count, bytes and, if remote, its sha256")
            return shards
        tars = sorted(Path(location).glob("*.tar"))
        return [{"name": p.name, "count": len(members_of(p)), "bytes": p.stat().st_size} for p in tars]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{location}: {INDEX} cannot be read ({error})") from error


def is_valid(shard: Mapping[str, Any], remote: bool) -> bool:
    """Whether an entry of an index is complete, and its name stays inside the folder."""
    name = PurePosixPath(shard["name"])
    numbers = all(type(shard[key]) is int and shard[key] >= 0 for key in ("count", "bytes"))
    known = not remote or re.fullmatch("[0-9a-f]{64}", shard["sha256"])
    return bool(numbers and known and not name.is_absolute() and ".." not in name.parts)


def members_of(path: Path) -> list[tuple[str, int, int]]:
    """(name, first byte, length) of each image in a tar file, without hidden ones (._a.jpg), as in a folder."""
    try:
        with tarfile.open(path, "r:") as tar, path.open("rb") as file:
            members = [(m.name, m.offset_data, m.size) for m in tar if m.isfile() and is_picture_name(m.name)]
            if _read(file, tar.offset, 512) != bytes(512):  # tarfile accepts a file truncated between two members
                raise tarfile.ReadError("it has no end mark")
            return [member for member in members if not PurePosixPath(member[0]).name.startswith(".")]
    except (OSError, tarfile.TarError) as error:
        raise BadInput(f"{path}: truncated or damaged tar file ({error})") from error


def fetch(address: str, path: Path) -> None:
    """Download a file from an address that fsspec supports (s3://, gs://, https:// ...) to `path`."""
    import fsspec

    try:
        with fsspec.open(address, "rb") as remote, path.open("wb") as file:
            shutil.copyfileobj(remote, file, 2**20)
    except ImportError as error:
        raise BadInput(f"{address}: {error}") from error
    except Exception as error:  # each protocol raises its own exceptions
        raise BadInput(
            f"{address}: cannot be fetched ({str(error).splitlines()[0] if str(error) else error!r})"
        ) from error


def make_room(folder: Path, wanted: int) -> None:
    """Remove the least recently used shards, until `wanted` more bytes are within CACHE_BYTES."""
    kept = sorted(folder.glob("*.tar"), key=lambda path: path.stat().st_mtime)
    total = sum(path.stat().st_size for path in kept)
    for path in kept:
        if total + wanted <= CACHE_BYTES:
            return
        total -= path.stat().st_size
        with suppress(OSError):
            path.unlink()
