"""Shards: tar files of pictures, as webdataset has them, on a disk or behind an address. For more than files can hold.

A folder (or an address, such as s3://bucket/set) with index.json and shard-00000.tar, shard-00001.tar ...; the index
holds the name, count, length and sha256 of each. What lies behind an address is fetched a shard at a time through
fsspec, checked, and kept in the cache up to KEPT bytes. Local tar files of somebody else need no index.
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

from isthmus.data.base import Data, Numbered, ends_of, numpy_type
from isthmus.data.download import cache_folder, checksum
from isthmus.data.folders import choose_shape
from isthmus.data.preparation import file_numbers
from isthmus.data.skip_corrupt import decode_each
from isthmus.errors import BadInput
from isthmus.files import atomic
from isthmus.media import resize
from isthmus.media.array_values import Span
from isthmus.media.bit_depth import choose_range
from isthmus.media.high_bit_depth import Header
from isthmus.media.image_reader import is_picture_name, read_bytes

INDEX = "index.json"
KEPT = 50 * 10**9  # bytes of fetched shards on this disk
LOOKED_AT = 64  # pictures of the first shard that tell the shape


class Shards:
    """The pictures of many tar files as items; `starts` are the numbers of the first item of each."""

    def __init__(self, place: str, shards: Sequence[Mapping[str, Any]]) -> None:
        self.place, self.shards = place, shards
        self.starts = np.cumsum([0, *(shard["count"] for shard in shards)])[:-1]
        self.shape: tuple[int, int, int] = (0, 0, 0)
        self.dtype = torch.uint8
        self.white = 65535.0  # of 16 bits, which becomes of 8 bits
        self.lock = threading.Lock()
        self.members = lru_cache(maxsize=320)(self._members)  # more than the shards that are open at a time, 256

    def local(self, number: int) -> Path:
        """The tar file on this disk, fetched first where it lies elsewhere. Raises BadInput for wrong bytes."""
        shard = self.shards[number]
        if "://" not in self.place:
            return Path(self.place, shard["name"])
        path = cache_folder() / "shards" / f"{shard['sha256'][:32]}.tar"
        with self.lock:
            if not path.exists():
                make_room(path.parent, shard["bytes"])
                with atomic(path) as temporary:
                    fetch(f"{self.place}/{shard['name']}", temporary)
                    if checksum(temporary) != shard["sha256"]:
                        raise BadInput(f"{self.place}/{shard['name']}: is not what {INDEX} says (its sha256 differs)")
            os.utime(path)
        return path

    def _members(self, number: int) -> list[tuple[str, int, int]]:
        found, shard = members_of(self.local(number)), self.shards[number]
        if len(found) != shard["count"]:
            raise BadInput(
                f"{self.place}/{shard['name']}: holds {len(found)} pictures, not {shard['count']} as was told"
            )
        return found

    def bytes_of(self, number: int, places: Sequence[int]) -> list[tuple[str, bytes]]:
        """Name and contents of pictures of one shard."""
        found = [self.members(number)[place] for place in places]
        with self.local(number).open("rb") as file:
            return [(f"{self.shards[number]['name']}/{name}", _read(file, first, size)) for name, first, size in found]

    def read(self, indices: np.ndarray) -> Tensor:
        """N×C×H×W. Raises Broken naming the shard and the picture for one that is broken, BadInput for a shard."""
        whole = np.empty((len(indices), *self.shape), numpy_type(self.dtype))
        homes = np.searchsorted(self.starts, indices, side="right") - 1
        contents: dict[int, tuple[str, bytes]] = {}
        for home in np.unique(homes):
            rows = np.flatnonzero(homes == home)
            found = self.bytes_of(int(home), [int(place) for place in indices[rows] - self.starts[home]])
            contents |= zip(rows.tolist(), found, strict=True)

        def decode(row: int) -> None:
            name, data = contents[row]
            whole[row] = resize.fit(
                read_bytes(data, name, max(self.shape[1:])), self.shape, whole.dtype, white=self.white
            )

        decode_each(decode, sorted(contents))
        return torch.from_numpy(whole)


def _read(file: Any, first: int, size: int) -> bytes:
    file.seek(first)
    return file.read(size)


def is_shards(place: str) -> bool:
    """Whether this is an address, or a folder that holds tar files, and no pictures beside them."""
    if "://" in place or not Path(place).is_dir():
        return "://" in place
    return any(Path(place).glob("*.tar")) and not any(map(is_picture_name, Path(place).iterdir()))


def open_shards(
    place: str, *, size: int | None = None, gray: bool | None = None, like: Mapping[str, Any] | None = None
) -> Data:
    """All pictures of a folder or address of shards, of one shape, chosen as for a folder of pictures.

    Raises BadInput for an address without an index, for shards that hold no pictures, and as open_pictures does.
    """
    place = place.rstrip("/")
    shards = read_index(place)
    if not sum(shard["count"] for shard in shards):
        raise BadInput(f"{place}: its shards hold no pictures")
    items, notes = Shards(place, shards), list[str]()
    first = next(number for number, shard in enumerate(shards) if shard["count"])
    headers, highest = look_at(items.bytes_of(first, range(min(LOOKED_AT, shards[first]["count"]))))
    items.shape = choose_shape(headers, size, gray, like, None, None, notes, place)
    items.dtype, data_range = file_numbers(like or {}, deep=any(header.deep for header in headers))
    items.white = ends_of(data_range)[1]
    if items.dtype == torch.uint16 and like is None:
        data_range = choose_range(np.dtype(np.uint16), Span(0.0, highest), notes)
    told = [[shard["name"], shard["count"], shard["bytes"]] for shard in shards]
    count = sum(shard["count"] for shard in shards)
    source = {
        "kind": "shards",
        "path": place if "://" in place else str(Path(place).resolve()),
        "fingerprint": hashlib.sha256(json.dumps(told).encode()).hexdigest(),
        "count": count,
        "size": list(items.shape[1:]),
        "gray": items.shape[0] == 1,
    }
    names = Numbered(range(count), len(str(count)))
    return Data(items, items.shape, data_range, names, notes=notes, source=source)


def look_at(seen: Sequence[tuple[str, bytes]]) -> tuple[list[Header], float]:
    """The headers of those that can be read, and their greatest value. Raises BadInput where none can."""
    headers, reasons, highest = list[Header](), list[str](), 0.0
    for name, data in seen:
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


def read_index(place: str) -> list[dict[str, Any]]:
    """What index.json says; for local shards without one, what the tar files say."""
    if "://" in place:
        path = cache_folder() / "shards" / f"{hashlib.sha256(place.encode()).hexdigest()[:32]}.json"
        with atomic(path) as temporary:
            fetch(f"{place}/{INDEX}", temporary)
    else:
        path = Path(place, INDEX)
    try:
        if path.exists():
            shards = list(json.loads(path.read_text(encoding="utf-8"))["shards"])
            if not all(is_sound(shard, "://" in place) for shard in shards):
                raise ValueError("each shard needs a name below it, a count, bytes and, behind an address, its sha256")
            return shards
        tars = sorted(Path(place).glob("*.tar"))
        return [{"name": p.name, "count": len(members_of(p)), "bytes": p.stat().st_size} for p in tars]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{place}: {INDEX} cannot be read ({error})") from error


def is_sound(shard: Mapping[str, Any], far: bool) -> bool:
    """Whether an entry of an index holds what is needed, and names nothing that lies elsewhere."""
    name = PurePosixPath(shard["name"])
    numbers = all(type(shard[key]) is int and shard[key] >= 0 for key in ("count", "bytes"))
    known = not far or re.fullmatch("[0-9a-f]{64}", shard["sha256"])
    return bool(numbers and known and not name.is_absolute() and ".." not in name.parts)


def members_of(path: Path) -> list[tuple[str, int, int]]:
    """(name, first byte, bytes) of each picture in a tar file; as in a folder, hidden ones (._a.jpg) are left out."""
    try:
        with tarfile.open(path, "r:") as tar, path.open("rb") as file:
            found = [(m.name, m.offset_data, m.size) for m in tar if m.isfile() and is_picture_name(m.name)]
            if _read(file, tar.offset, 512) != bytes(512):  # tarfile takes a cut between two members for the end
                raise tarfile.ReadError("it has no end mark")
            return [member for member in found if not PurePosixPath(member[0]).name.startswith(".")]
    except (OSError, tarfile.TarError) as error:
        raise BadInput(f"{path}: not a whole tar file ({error})") from error


def fetch(address: str, path: Path) -> None:
    """Copy what lies at an address that fsspec knows (s3://, gs://, https:// ...) to `path`."""
    import fsspec

    try:
        with fsspec.open(address, "rb") as far, path.open("wb") as near:
            shutil.copyfileobj(far, near, 2**20)
    except ImportError as error:
        raise BadInput(f"{address}: {error}") from error
    except Exception as error:  # each kind of address fails in its own ways
        raise BadInput(
            f"{address}: cannot be fetched ({str(error).splitlines()[0] if str(error) else error!r})"
        ) from error


def make_room(folder: Path, wanted: int) -> None:
    """Remove the shards that were used longest ago, until `wanted` bytes more are within KEPT."""
    kept = sorted(folder.glob("*.tar"), key=lambda path: path.stat().st_mtime)
    total = sum(path.stat().st_size for path in kept)
    for path in kept:
        if total + wanted <= KEPT:
            return
        total -= path.stat().st_size
        with suppress(OSError):
            path.unlink()
