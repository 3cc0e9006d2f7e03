"""Opening of image files, and errors of their decoders as one-line BadInput.

A thread keeps the file that it has read last, so its type, header, pixels and metadata cost two openings.
"""

from __future__ import annotations

import io
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from isthmus.errors import BadInput
from isthmus.media.high_bit_depth import Header

HEAD = 65536  # bytes by which the type of a file is known; a smaller file is read with one opening
MAX_PIXELS = 2**27  # 134 megapixels: above any camera, below a laptop's memory
KEPT = 2**14  # headers that are kept
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
        _last.key, _last.data, _last.complete = key, head, key[-1] <= HEAD
    return head


def open_content(path: Path) -> BinaryIO:
    """A file to read from; its content lies in memory if it is not large. Raises OSError."""
    key = _key(path)
    if key is None or key[-1] > LARGEST:
        return path.open("rb")
    if _last.key != key or not _last.complete:
        _last.key, _last.data, _last.complete = key, path.read_bytes(), True
    return io.BytesIO(_last.data)


def open_kept(path: Path) -> BinaryIO:
    """The content that this thread has read last, if it is of this file; else the file. Raises OSError."""
    kept = _last.complete and _last.key is not None and _last.key == _key(path)
    return io.BytesIO(_last.data) if kept else path.open("rb")


def kept_for_file(read: Callable[[Path], Header]) -> Callable[[Path], Header]:
    """Keep the results of `read`, until a file changes, for the last KEPT files."""

    @lru_cache(KEPT)
    def of_key(key: tuple[str, int, int, int]) -> Header:
        return read(Path(key[0]))

    def kept(path: Path) -> Header:
        key = _key(path)
        return read(path) if key is None else of_key(key)

    return kept


def _key(path: Path) -> tuple[str, int, int, int] | None:
    """Path, inode, time and size of a regular file; None for a pipe or a device, whose bytes are read once."""
    known = path.stat()
    return (str(path), known.st_ino, known.st_mtime_ns, known.st_size) if stat.S_ISREG(known.st_mode) else None


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn any exception raised inside into a one-line BadInput that names the file."""
    try:
        yield
    except Exception as error:
        raise read_error(path, error) from error


def check_size(path: Path, header: Header) -> Header:
    if header.height * header.width > MAX_PIXELS:
        raise BadInput(
            f"{path}: {header.width}×{header.height} pixels is too large; accepted are up to "
            f"{MAX_PIXELS // 10**6} megapixels"
        )
    if header.height < 1 or header.width < 1:
        raise BadInput(f"{path}: not a picture (no pixels)")
    return header


def read_error(path: Path, error: Exception) -> BadInput:
    """A one-line BadInput for an exception of a decoder; broken files make decoders raise exceptions of any class."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, BadInput):
        return error
    if isinstance(error, (UnidentifiedImageError, SyntaxError)):
        return BadInput(f"{path}: not a picture")
    if isinstance(error, Image.DecompressionBombError):
        return BadInput(f"{path}: too large; accepted are up to {MAX_PIXELS // 10**6} megapixels")
    if isinstance(error, MemoryError):
        return BadInput(f"{path}: does not fit in memory")
    if isinstance(error, OSError) and error.errno is not None:
        return BadInput(f"{path}: cannot be read ({(error.strerror or str(error)).lower()})")
    return BadInput(f"{path}: broken picture ({_brief(error)})")


def _brief(error: Any) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:100]
