"""Reading and writing of one image as a .npy file: H×W, H×W×C or C×H×W; a result keeps the axes and the dtype."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np

from isthmus.errors import BadInput
from isthmus.files import atomic
from isthmus.media.array_axes import CHANNELS, from_images, image_axes, to_images
from isthmus.media.array_values import check_type
from isthmus.media.file_content import Header
from isthmus.media.high_bit_depth import Layers
from isthmus.types import times

PARSING = threading.Lock()  # numpy parses headers by ast, which fails in several threads at once (CPython gh-106905)
PLAIN = ("bool", "uint8", "uint16")  # dtypes with a white level of their own
ACCEPTED = "accepted is one picture, H×W, H×W×C or C×H×W (C of 1, 3 or 4)"


class Stored(NamedTuple):
    """The order of the axes "H", "W" and "C" in the file, and its dtype."""

    axes: str
    dtype: np.dtype

    def of(self, samples: np.ndarray) -> np.ndarray:
        """H×W×S in the axes and dtype of the file."""
        if self.dtype == bool:
            samples = samples >= 128
        return np.ascontiguousarray(from_images(samples[None].astype(self.dtype, copy=False), self.axes))


def npy_header(path: Path) -> Header:
    """The header of a .npy image. Raises BadInput for a dtype or a shape that is not an image."""
    array, stored = _mapped(path)
    height, width = (array.shape[stored.axes.index(axis)] for axis in "HW")
    channels = array.shape[stored.axes.index("C")] if "C" in stored.axes else 1
    units = "" if array.dtype.name in PLAIN else array.dtype.name
    return Header(height, width, gray=channels == 1, deep=array.dtype.name not in PLAIN[:2], units=units)


def read_npy(path: Path) -> tuple[Layers, Stored]:
    """The image, booleans as 0 and 255; the fourth channel is alpha. Raises BadInput as npy_header does."""
    array, stored = _mapped(path)
    samples = np.array(to_images(array, stored.axes)[0], order="C")
    if samples.dtype.kind == "f" and not np.isfinite(samples).all():
        raise BadInput(f"{path}: holds NaN or infinite values; accepted are finite numbers")
    samples = samples.astype(np.uint8) * np.uint8(255) if samples.dtype == bool else samples
    return Layers.of(samples.astype(samples.dtype.newbyteorder("="), copy=False)), stored


def write_npy(path: Path, samples: np.ndarray, stored: Stored) -> None:
    """Write H×W×S in the axes and dtype of its source file."""
    with path.open("wb") as file:
        np.save(file, stored.of(samples), allow_pickle=False)


def _mapped(path: Path) -> tuple[np.ndarray, Stored]:
    """The memory-mapped array. Nothing is unpickled, so no code in it can run."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            with PARSING:
                shape, _, dtype = read(file)
        check_type(dtype, str(path))
        stored = Stored(_axes(shape, path), dtype)
        if "C" in stored.axes and shape[stored.axes.index("C")] == 4 and dtype.name not in PLAIN:
            raise BadInput(f"{path}: 4 channels are color and alpha, of 8 or 16 bits, and these are {dtype.name}")
        with PARSING:
            return np.load(path, mmap_mode="r", allow_pickle=False), stored
    except BadInput:
        raise
    except (ValueError, EOFError, OSError) as error:
        raise BadInput(f"{path}: truncated or broken numpy file; {ACCEPTED}") from error


def _axes(shape: tuple[int, ...], path: Path) -> str:
    """The axes of one image. Raises BadInput for several images, and if the order is ambiguous."""
    axes = image_axes(shape)
    if axes in ("HWC", "CHW") and shape[0] in CHANNELS and shape[2] in CHANNELS:
        raise BadInput(f"{path}: {times(shape)} can be H×W×C as well as C×H×W; another order or size is accepted")
    if axes not in ("HW", "HWC", "CHW") or (axes == "HWC" and shape[2] not in CHANNELS):
        several = "; several are accepted as one file, not in a folder" if "N" in axes else ""
        raise BadInput(f"{path}: an array of {times(shape) or 'one number'}; {ACCEPTED}{several}")
    return axes


def save_array(path: Path, values: np.ndarray) -> None:
    """Write a .npy file of any array atomically."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, values, allow_pickle=False)
