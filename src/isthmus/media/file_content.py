"""The file that a thread has read last, so that its type, its header, its pixels and its metadata cost two openings."""

from __future__ import annotations

import io
import stat
import threading
from pathlib import Path
from typing import BinaryIO

HEAD = 4096  # bytes by which the type of a file is known
LARGEST = 2**25  # bytes of a file that is kept; a larger one is opened each time


class _Last(threading.local):
    """Key and bytes of the last file of a thread: all of them, or only the head."""

    key: tuple[str, int, int, int] | None = None
    data = b""
    complete = False


_last = _Last()


def head_of(path: Path) -> bytes:
    """The first HEAD bytes of a file, or all of a smaller one. Raises OSError."""
    key = _key(path)
    if key is not None and _last.key == key:
        return _last.data[:HEAD]
    with path.open("rb") as file:
        head = file.read(HEAD)
    if key is not None:
        _last.key, _last.data, _last.complete = key, head, False
    return head


def open_content(path: Path) -> BinaryIO:
    """A file to read from; its content lies in memory if it is not large. Raises OSError."""
    key = _key(path)
    if key is None or key[-1] > LARGEST:
        return path.open("rb")
    if _last.key != key or not _last.complete:
        _last.key, _last.data, _last.complete = key, path.read_bytes(), True
    return io.BytesIO(_last.data)


def _key(path: Path) -> tuple[str, int, int, int] | None:
    """Path, inode, time and size of a regular file; None for a pipe or a device, whose bytes are read once."""
    known = path.stat()
    return (str(path), known.st_ino, known.st_mtime_ns, known.st_size) if stat.S_ISREG(known.st_mode) else None
