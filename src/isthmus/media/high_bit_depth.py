"""PNG and PPM images of more than 8 bits, which Pillow silently cuts to 8; Layers of any image.

Each reader returns H×W×S (S samples per pixel: 1 gray, 2 gray + alpha, 3 color, 4 color + alpha) as uint16.
"""

from __future__ import annotations

import itertools
import logging
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from isthmus.errors import BadInput
from isthmus.media.bit_depth import NOISE, only_noise_outside
from isthmus.media.file_content import ppm_header


class Layers(NamedTuple):
    """The samples of an upright image, all of one dtype: uint8, uint16, or any in a gray or color TIFF in units."""

    color: np.ndarray  # H×W×C, C of 1 (gray) or 3
    alpha: np.ndarray | None = None  # H×W
    bands: np.ndarray | None = None  # H×W×E: further channels, such as near infrared

    @classmethod
    def of(cls, samples: np.ndarray) -> Layers:
        """Layers of H×W×S: gray or color, with or without alpha as its last sample."""
        colors = 3 if samples.shape[-1] > 2 else 1
        return cls(samples[..., :colors], samples[..., colors] if samples.shape[-1] > colors else None)

    def flat(self) -> np.ndarray:
        """The color H×W×C composited over white, without bands."""
        return self.color if self.alpha is None else over_white(self.color, self.alpha[..., None])


# Errors of a file are reported once, in one line, by isthmus.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

CHANNELS = "accepted are 1 (gray) and 3 (color), each with or without alpha"


def read_png(path: Path) -> np.ndarray:
    import png

    pixels = _by_pillow(path)
    if pixels is not None:
        return pixels
    with path.open("rb") as file:
        width, height, rows, info = png.Reader(file=file).asDirect()
        samples = info["planes"]
        pixels = np.empty((height, width * samples), np.uint16)
        done = 0
        for row in itertools.islice(rows, height):
            pixels[done] = row
            done += 1
    if done < height:
        raise BadInput(f"{path}: truncated ({done} of {height} rows)")
    return pixels.reshape(height, width, samples)


def _by_pillow(path: Path) -> np.ndarray | None:
    """16-bit color by two readings with Pillow, which keeps one byte of the two: the other with swapped byte order.

    A hundred times as fast as undoing the filters of a PNG in Python. None for kinds of PNG that Pillow cannot read so.
    """
    from PIL import Image

    halves = []
    for second in (False, True):
        with Image.open(path, formats=("PNG",)) as image:
            if [tile.args for tile in image.tile] != [f"{image.mode};16B"] or "transparency" in image.info:
                return None
            if second:
                image.tile = [tile._replace(args=f"{image.mode};16L") for tile in image.tile]
            halves.append(np.asarray(image))
    return np.stack(halves[::-1], -1).view("<u2")[..., 0].astype(np.uint16, copy=False)


def read_ppm(path: Path) -> np.ndarray:
    data = path.read_bytes()
    header = ppm_header(data)
    assert header is not None, "only called after ppm_header recognized the file"
    plain, width, height, greatest, offset = header
    count = width * height * 3
    if plain:
        numbers = np.array(re.sub(rb"#[^\n]*", b"", data[offset:]).split()[:count], dtype=np.int64)
    else:
        numbers = np.frombuffer(data, ">u2", offset=offset, count=min(count, (len(data) - offset) // 2))
    if len(numbers) < count:
        raise BadInput(f"{path}: truncated ({len(numbers)} of {count} numbers)")
    if greatest > 65535 or numbers.max(initial=0) > greatest:
        raise BadInput(f"{path}: not a PPM image (values above its maximum value {greatest})")
    return scaled(numbers, greatest, 65535).astype(np.uint16).reshape(height, width, 3)


def scaled(numbers: np.ndarray, greatest: int, to: int) -> np.ndarray:
    """Integers 0..greatest rescaled to 0..to, rounded; the round trip is exact if `to` is not smaller."""
    return numbers if greatest == to else (numbers.astype(np.int64) * to + greatest // 2) // greatest


def unpremultiplied(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """H×W×S uint8 or uint16 that were premultiplied by alpha H×W×1, divided by it; black where alpha is 0."""
    top = np.uint64(np.iinfo(pixels.dtype).max)
    opaque = alpha.astype(np.uint64)
    divided = (pixels * top + opaque // np.uint64(2)) // np.maximum(opaque, np.uint64(1))
    return np.where(opaque > 0, np.minimum(divided, top), np.uint64(0)).astype(pixels.dtype)


def over_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """H×W×S uint8 or uint16 composited over white by alpha H×W×1 of the same dtype."""
    top = np.uint64(np.iinfo(pixels.dtype).max)
    composite = np.empty_like(pixels)
    for first in range(0, len(pixels), 64):  # a few rows at a time: uint64 takes up to eight times their memory
        rows = slice(first, first + 64)
        mixed = pixels[rows].astype(np.uint64) * alpha[rows] + top * (top - alpha[rows])
        composite[rows] = (mixed + top // np.uint64(2)) // top
    return composite


def to_uint16(pixels: np.ndarray, path: Path | str) -> np.ndarray:
    """Integers in 0..65535 as they are; floats in [0, 1], with the margin for noise that own_range has, times 65535.

    Other values have no agreed white level, and a guess per file would scale files differently: BadInput.
    """
    if pixels.dtype == np.uint16:
        return pixels.astype(np.uint16)
    accepted = "accepted are integers in 0..65535 and floats in 0..1"
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise BadInput(f"{path}: holds NaN or infinite values; {accepted}")
    if pixels.dtype.kind not in "uif":
        raise BadInput(f"{path}: pixels of type {pixels.dtype}; {accepted}")
    low, high = pixels.min(), pixels.max()
    least, most = NOISE if pixels.dtype.kind == "f" else (0, 65535)
    if low < least or high > most or (pixels.dtype.kind == "f" and not only_noise_outside(pixels)):
        raise BadInput(f"{path}: values from {low:g} to {high:g}; {accepted}")
    if pixels.dtype.kind == "f":
        return np.rint(np.clip(pixels.astype(np.float64), 0, 1) * 65535).astype(np.uint16)
    return pixels.astype(np.uint16)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """H×W×S rotated and flipped according to the EXIF orientation (1..8)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
