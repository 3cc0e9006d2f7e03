"""Images with metadata."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from isthmus.errors import Note
from isthmus.media.image_file import read_photo, write_photo

RANDOM = np.random.default_rng(0)
AUTHOR = "© 2024 Jörg"


def noise(*shape: int, deep: bool = False) -> np.ndarray:
    return RANDOM.integers(0, 65536 if deep else 256, shape, dtype=np.uint16 if deep else np.uint8)


def silently(path: Path, source: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Note)
        return write_photo(path, read_photo(source))
