"""Errors of image decoders as one-line BadInput."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isthmus.errors import BadInput
from isthmus.media.high_bit_depth import Header

MAX_PIXELS = 2**27  # 134 megapixels: above any camera, below a laptop's memory


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
