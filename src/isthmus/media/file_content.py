"""Opening of image files, recognition of formats by the first bytes, and errors of decoders as one-line BadInput.

A thread keeps the file that it has read last, so its type, header, pixels and metadata cost two openings.
"""

from __future__ import annotations

import io
import re
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from isthmus.errors import BadInput

HEAD = 65536  # bytes by which the type of a file is known; a smaller file is read with one opening
MAX_PIXELS = 2**27  # 134 megapixels: above any camera, below a laptop's memory
KEPT = 2**14  # headers that are kept
LARGEST = 2**25  # bytes of a file that is kept; a larger one is opened each time
TIFF, NUMPY = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), b"\x93NUMPY"
# The first tag of a data set without the preamble (128 bytes and DICM), in either byte order.
FIRST_TAGS = (b"\x08\0", b"\0\x08", b"\x02\0", b"\0\x02")
GREATEST = re.compile(rb"P[2356](?:(?:\s+|#[^\n]*\n)+\d+){2}(?:\s+|#[^\n]*\n)+(\d+)\s")
PPM = re.compile(rb"P([36])(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)\s")


class Header(NamedTuple):
    """Properties of an image that are known before it is decoded."""

    height: int
    width: int
    gray: bool
    deep: bool  # more than 8 bits per sample
    bands: int = 0  # channels besides color and alpha
    several: bool = False  # has several pages or frames
    units: str = ""  # dtype of values without a white level: float32, int16, uint32 ...; "" for 8 and 16 bits
    stated: bool = False  # the file states 9 to 15 bits, so its values are scaled to a white of 65535


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


def is_dicom(path: Path | str) -> bool:
    """Whether a readable file begins like a DICOM, whatever its name; a DICOMDIR, which only lists files, is none."""
    try:
        return starts_as_dicom(head_of(Path(path))[:132], path) and Path(path).name != "DICOMDIR"
    except OSError:
        return False


def starts_as_dicom(head: bytes, name: Path | str) -> bool:
    """Whether DICM is at byte 128; such a file that also begins like a TIFF, as some scanners write it, and is named
    .tif is a TIFF.

    Older archives leave out the preamble of 132 bytes: a file named .dcm, or without a suffix, may begin with its
    first tag.
    """
    if head[128:132] == b"DICM":
        return not (head[:2] in (b"II", b"MM") and Path(name).suffix.lower() in (".tif", ".tiff"))
    begins = head[:2] in FIRST_TAGS and int.from_bytes(head[2:4], "little" if head[1:2] == b"\0" else "big") < 0x100
    return begins and (Path(name).suffix.lower() == ".dcm" or has_no_suffix(name))


def lacks_preamble(path: Path) -> bool:
    """Whether the file begins with its data set, without the 132 bytes of the preamble."""
    return head_of(path)[128:132] != b"DICM"


def has_no_suffix(name: Path | str) -> bool:
    """Whether a name has no suffix; the end of a UID such as 1.2.840.10008 is none."""
    suffix = Path(name).suffix[1:]
    return not suffix or suffix.isdigit()


def png_is_deep_color(head: bytes) -> bool:
    """Whether a file starts like a 16-bit PNG with color or alpha (16-bit gray is safe with Pillow)."""
    return head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) > 25 and head[24] == 16 and head[25] in (2, 4, 6)


def ppm_header(head: bytes) -> tuple[bool, int, int, int, int] | None:
    """(plain text, width, height, maximum value, offset of the pixels) of a color PPM, else None."""
    match = PPM.match(head)
    if not match:
        return None
    plain, width, height, greatest = match.groups()
    return plain == b"3", int(width), int(height), int(greatest), match.end()


def states_its_white(head: bytes) -> bool:
    """Whether a PPM or PGM states a white level between the ones of 8 and of 16 bits."""
    match = GREATEST.match(head)
    return match is not None and 255 < int(match[1]) < 65535


def kind_of(head: bytes, name: Path | str) -> str:
    """The reader of the pixels of a file: dicom, tiff, npy, png or ppm (color of more than 8 bits), or pillow."""
    if starts_as_dicom(head, name):
        return "dicom"
    if head[:4] in TIFF:
        return "tiff"
    if head.startswith(NUMPY):
        return "npy"
    if png_is_deep_color(head):
        return "png"
    ppm = ppm_header(head)
    return "ppm" if ppm is not None and ppm[3] > 255 else "pillow"


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
