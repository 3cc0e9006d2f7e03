"""Decoded pictures on disk, so that a folder is decoded once. One file a set, which is safe to delete at any time.

    ISTHMUS_CACHE/decoded/KEY.items:  what it holds, as JSON | one CRC-32 an item, 0 where it is not there yet | items

One file, for two could come apart. An item is written first and its CRC then, and an item is believed only if the two
agree: so a process that is killed, a full disk and rotten bytes cost a decoding and nothing else, and any number of
threads and processes fill one file without locks, because under one key they all write the same. Only a file that is
whole is mapped: a map of one that lacks something ends in a signal where the disk is full, a read or write in an error.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import tempfile
import warnings
import zlib
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from isthmus.data.download import cache_folder
from isthmus.errors import BadInput, Note

FORMAT = 2  # to be raised whenever a picture is read or fitted to other numbers than before
WORTH = 2**24  # bytes: below, decoding again is as fast as one can see
BOUND = 20.0  # GB
REMOVED = "it was removed"
HEAD = 4096  # bytes of the head, and of every multiple that the items begin at


@dataclass
class Decoded:
    """The file of a set: `count` items of one shape and type, some of which are there."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype
    count: int
    lost: str = ""  # why nothing is written any more
    checked: np.ndarray = field(init=False)  # items whose bytes this process has seen agree with their CRC

    def __post_init__(self) -> None:
        self.checked = np.zeros(self.count, bool)
        self.size = int(np.prod(self.shape)) * self.dtype.itemsize
        self.first = HEAD + -(-4 * self.count // HEAD) * HEAD
        self.nbytes = self.first + self.count * self.size
        facts = {"isthmus": "decoded pictures", "format": FORMAT, "shape": list(self.shape), "dtype": self.dtype.str}
        self.head = json.dumps({**facts, "count": self.count}).encode().ljust(HEAD)

    def take(self, places: Sequence[int], rows: Sequence[np.ndarray]) -> list[int]:
        """Fill `rows`, one a place, with what is there; return the positions of what is not."""
        missing: list[int] = []
        try:
            with _opened(self.path, os.O_RDONLY) as file:
                for position, place in enumerate(places):
                    if not self._get(file, place, rows[position]):
                        missing.append(position)
        except OSError as error:
            self.lose(error)
            return list(range(len(places)))
        return missing

    def _get(self, file: int, place: int, row: np.ndarray) -> bool:
        code = os.pread(file, 4, HEAD + 4 * place)  # even of an item that is known: the file may have been made again
        if code in (b"", bytes(4)) or os.preadv(file, [row.data], self.first + place * self.size) != self.size:
            return False
        if not self.checked[place]:
            self.checked[place] = code == _crc(row)
        return bool(self.checked[place])

    def keep(self, place: int, item: np.ndarray | None) -> None:
        """Write an item, for `take` of any process to find; None: see to it that there is none."""
        if self.lost:
            return
        try:
            with _opened(self.path, os.O_WRONLY) as file:
                if item is not None and os.pwrite(file, item.data, self.first + place * self.size) != self.size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.pwrite(file, bytes(4) if item is None else _crc(item), HEAD + 4 * place)
        except OSError as error:
            self.lose(error)

    def absent(self) -> np.ndarray:
        """The places that nobody has written yet."""
        try:
            with _opened(self.path, os.O_RDONLY) as file:
                codes = np.frombuffer(os.pread(file, 4 * self.count, HEAD).ljust(4 * self.count, b"\0"), np.uint32)
        except OSError as error:
            self.lose(error)
            return np.arange(self.count)
        return np.flatnonzero(codes == 0)

    def mapped(self, but: Container[int]) -> np.ndarray | None:
        """All items as one array, where all are there `but` some. What is written to it stays in this process."""
        if any(place not in but for place in self.absent()):
            return None
        try:
            return np.memmap(self.path, self.dtype, "c", self.first, (self.count, *self.shape))
        except (OSError, ValueError) as error:
            self.lose(error)
            return None

    def lose(self, why: Exception | str) -> None:
        """Go on without writing, and say so once. On a full disk the file makes room: a checkpoint needs it more."""
        full = isinstance(why, OSError) and why.errno in (errno.ENOSPC, errno.EDQUOT)
        if isinstance(why, OSError):
            why = REMOVED if why.errno == errno.ENOENT else (why.strerror or str(why)).lower()
        reason = str(why)
        if not self.lost:
            self.lost = reason
            told = f"{self.path}: decoded pictures cannot be kept ({reason}), and are decoded again when needed"
            warnings.warn(told, Note, stacklevel=2)
        if full:
            with suppress(OSError):
                self.path.unlink()


def reserve(key: str, shape: tuple[int, ...], dtype: np.dtype, count: int, notes: list[str]) -> Decoded | None:
    """The file of a set, made where there is none that agrees, after the least recently used others made room.

    None where the set is larger than the cache may be, with a note, or where nothing can be written, with a warning.
    Raises BadInput for an ISTHMUS_CACHE_GB that is no number.
    """
    allowed = _allowed()
    try:
        folder = cache_folder() / "decoded"
    except RuntimeError:  # somebody without a home folder
        return None
    if not hasattr(os, "preadv"):
        return None
    decoded = Decoded(folder / f"{key}.{FORMAT}.items", shape, dtype, count)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = {path: status for path in folder.iterdir() if (status := _file(path))}
        free = shutil.disk_usage(folder).free + sum(status.st_blocks * 512 for status in held.values())
        most = min(allowed, free // 2)
        if decoded.nbytes > most:
            decoded.path.unlink(missing_ok=True)
            whose = "half of the free disk" if most < allowed else "ISTHMUS_CACHE_GB"
            notes.append(
                f"{decoded.nbytes / 1e9:.3g} GB of decoded pictures are more than the cache may hold "
                f"({most / 1e9:.3g} GB, {whose}): every epoch decodes them again"
            )
            return None
        held.pop(decoded.path, None)
        total = decoded.nbytes + sum(status.st_size for status in held.values())
        for path in sorted(held, key=lambda path: held[path].st_mtime):
            if total > most:
                path.unlink(missing_ok=True)
                total -= held[path].st_size
        _make_or_take_up(decoded)
    except OSError as error:
        decoded.lose(error)
        return None
    return decoded


def _make_or_take_up(decoded: Decoded) -> None:
    with suppress(FileNotFoundError), _opened(decoded.path, os.O_RDONLY) as file:
        if os.fstat(file).st_size == decoded.nbytes and os.pread(file, HEAD, 0) == decoded.head:
            os.utime(decoded.path)  # used just now
            return
    file, temporary = tempfile.mkstemp(dir=decoded.path.parent)
    try:
        os.write(file, decoded.head)
        os.ftruncate(file, decoded.nbytes)  # the size is claimed at once, the disk is taken as items come
        os.replace(temporary, decoded.path)
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(file)


def _allowed() -> float:
    """Bytes, by ISTHMUS_CACHE_GB."""
    text = os.environ.get("ISTHMUS_CACHE_GB") or str(BOUND)
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not gigabytes >= 0:
        raise BadInput(f"ISTHMUS_CACHE_GB={text}: a number of gigabytes is accepted, 0 for none")
    return gigabytes * 1e9


def _file(path: Path) -> os.stat_result | None:
    with suppress(OSError):  # another process has just removed it
        return status if stat.S_ISREG((status := path.stat()).st_mode) else None
    return None


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Opened for each use: a file that was removed is noticed, and its disk is free at once."""
    file = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield file
    finally:
        os.close(file)


def _crc(item: np.ndarray) -> bytes:
    return (zlib.crc32(item.data) or 1).to_bytes(4, "little")
