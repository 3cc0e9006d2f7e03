"""Cache of decoded images on disk: one file per data set, which can be deleted at any time.

    ISTHMUS_CACHE/decoded/KEY.items:  header as JSON | one CRC-32 per item, 0 for an item not written yet | items

One file, because two could get out of step. An item is written before its CRC, and it is used only if the two agree:
so a killed process, a full disk and corrupt bytes cost a decoding and nothing else, and any number of threads and
processes fill one file without locks, because under one key they all write the same. Only a complete file is mapped:
on a full disk an access to a missing part of a map ends in a signal, a read or write in an error.
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

FORMAT = 2  # to be incremented whenever images are decoded or resized to other values than before
MIN_BYTES = 2**24  # smaller sets are decoded again in no noticeable time
DEFAULT_LIMIT = 20.0  # GB
REMOVED = "it was removed"
HEAD = 4096  # bytes of the header; the items begin at a multiple of it


@dataclass
class Decoded:
    """The cache file of a set: `count` items of one shape and dtype, some of which are written."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype
    count: int
    failure: str = ""  # why nothing is written any more
    checked: np.ndarray = field(init=False)  # items whose CRC this process has verified

    def __post_init__(self) -> None:
        self.checked = np.zeros(self.count, bool)
        self.size = int(np.prod(self.shape)) * self.dtype.itemsize
        self.first = HEAD + -(-4 * self.count // HEAD) * HEAD
        self.nbytes = self.first + self.count * self.size
        facts = {"isthmus": "decoded pictures", "format": FORMAT, "shape": list(self.shape), "dtype": self.dtype.str}
        self.head = json.dumps({**facts, "count": self.count}).encode().ljust(HEAD)

    def read(self, indices: Sequence[int], rows: Sequence[np.ndarray]) -> list[int]:
        """Read the items at `indices` into `rows`; return the positions in `indices` of missing items."""
        missing: list[int] = []
        try:
            with _opened(self.path, os.O_RDONLY) as file:
                for position, index in enumerate(indices):
                    if not self._read_item(file, index, rows[position]):
                        missing.append(position)
        except OSError as error:
            self.disable(error)
            return list(range(len(indices)))
        return missing

    def _read_item(self, file: int, index: int, row: np.ndarray) -> bool:
        code = os.pread(file, 4, HEAD + 4 * index)  # also of a checked item: the file may have been created anew
        if code in (b"", bytes(4)) or os.preadv(file, [row.data], self.first + index * self.size) != self.size:
            return False
        if not self.checked[index]:
            self.checked[index] = code == _crc(row)
        return bool(self.checked[index])

    def write(self, index: int, item: np.ndarray | None) -> None:
        """Write an item, for `read` of any process; None: mark it as missing."""
        if self.failure:
            return
        try:
            with _opened(self.path, os.O_WRONLY) as file:
                if item is not None and os.pwrite(file, item.data, self.first + index * self.size) != self.size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.pwrite(file, bytes(4) if item is None else _crc(item), HEAD + 4 * index)
        except OSError as error:
            self.disable(error)

    def missing(self) -> np.ndarray:
        """Indices of the items that are not written yet."""
        try:
            with _opened(self.path, os.O_RDONLY) as file:
                codes = np.frombuffer(os.pread(file, 4 * self.count, HEAD).ljust(4 * self.count, b"\0"), np.uint32)
        except OSError as error:
            self.disable(error)
            return np.arange(self.count)
        return np.flatnonzero(codes == 0)

    def mapped(self, broken: Container[int]) -> np.ndarray | None:
        """All items as a copy-on-write memory map; None if any is missing, except `broken` ones."""
        if any(index not in broken for index in self.missing()):
            return None
        try:
            return np.memmap(self.path, self.dtype, "c", self.first, (self.count, *self.shape))
        except (OSError, ValueError) as error:
            self.disable(error)
            return None

    def disable(self, cause: Exception | str) -> None:
        """Stop writing, with one Note. On a full disk the file is removed: a checkpoint needs the space more."""
        full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
        if isinstance(cause, OSError):
            cause = REMOVED if cause.errno == errno.ENOENT else (cause.strerror or str(cause)).lower()
        reason = str(cause)
        if not self.failure:
            self.failure = reason
            message = f"{self.path}: decoded pictures cannot be kept ({reason}), and are decoded again when needed"
            warnings.warn(message, Note, stacklevel=2)
        if full:
            with suppress(OSError):
                self.path.unlink()


def reserve(key: str, shape: tuple[int, ...], dtype: np.dtype, count: int, notes: list[str]) -> Decoded | None:
    """The cache file of a set, reused or created, after the least recently used files are removed to make room.

    None if the set exceeds the size of the cache, with a note, or if nothing can be written, with a warning. Raises
    BadInput for an ISTHMUS_CACHE_GB that is not a number.
    """
    allowed = cache_limit()
    try:
        folder = cache_folder() / "decoded"
    except RuntimeError:  # a user without a home folder
        return None
    if not hasattr(os, "preadv"):
        return None
    decoded = Decoded(folder / f"{key}.{FORMAT}.items", shape, dtype, count)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = {path: status for path in folder.iterdir() if (status := _file(path))}
        free = shutil.disk_usage(folder).free + sum(status.st_blocks * 512 for status in files.values())
        most = min(allowed, free // 2)
        if decoded.nbytes > most:
            decoded.path.unlink(missing_ok=True)
            limit = "half of the free disk" if most < allowed else "ISTHMUS_CACHE_GB"
            notes.append(
                f"{decoded.nbytes / 1e9:.3g} GB of decoded images are more than the cache may hold "
                f"({most / 1e9:.3g} GB, {limit}): every epoch decodes them again"
            )
            return None
        files.pop(decoded.path, None)
        total = decoded.nbytes + sum(status.st_size for status in files.values())
        for path in sorted(files, key=lambda path: files[path].st_mtime):
            if total > most:
                path.unlink(missing_ok=True)
                total -= files[path].st_size
        _create_or_reuse(decoded)
    except OSError as error:
        decoded.disable(error)
        return None
    return decoded


def _create_or_reuse(decoded: Decoded) -> None:
    with suppress(FileNotFoundError), _opened(decoded.path, os.O_RDONLY) as file:
        if os.fstat(file).st_size == decoded.nbytes and os.pread(file, HEAD, 0) == decoded.head:
            os.utime(decoded.path)  # marks it as recently used
            return
    file, temporary = tempfile.mkstemp(dir=decoded.path.parent)
    try:
        os.write(file, decoded.head)
        os.ftruncate(file, decoded.nbytes)  # a sparse file: disk space is allocated as items are written
        os.replace(temporary, decoded.path)
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(file)


def cache_limit() -> float:
    """Maximum size of the cache in bytes, by ISTHMUS_CACHE_GB."""
    text = os.environ.get("ISTHMUS_CACHE_GB") or str(DEFAULT_LIMIT)
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not gigabytes >= 0:
        raise BadInput(f"ISTHMUS_CACHE_GB={text}: a number of gigabytes is accepted, 0 for none")
    return gigabytes * 1e9


def _file(path: Path) -> os.stat_result | None:
    with suppress(OSError):  # another process may have removed it
        return status if stat.S_ISREG((status := path.stat()).st_mode) else None
    return None


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Opened for each use, so that a removed file is noticed, and its disk space is freed at once."""
    file = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield file
    finally:
        os.close(file)


def _crc(item: np.ndarray) -> bytes:
    return (zlib.crc32(item.data) or 1).to_bytes(4, "little")
