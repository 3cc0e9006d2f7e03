"""Pictures of more than 8 bits, which Pillow would cut to 8 without a word: PNG, TIFF and PPM.

Each reader returns H×W×S (S samples a pixel: 1 gray, 2 gray + alpha, 3 colour, 4 colour + alpha) as uint16.
"""

from __future__ import annotations

import itertools
import logging
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from isthmus.errors import BadInput


class Header(NamedTuple):
    """What is known of a picture before it is decoded."""

    height: int
    width: int
    gray: bool
    deep: bool  # more than 8 bits a sample


# What is wrong with a file is said once, by us, in one line.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

CHANNELS = "accepted are 1 (gray) and 3 (colour), each with or without alpha"
PPM = re.compile(rb"P([36])(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)\s")


def png_is_deep_colour(head: bytes) -> bool:
    """Whether a file starts as a 16-bit PNG with colour or alpha does (16-bit gray is safe with Pillow)."""
    return head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) > 25 and head[24] == 16 and head[25] in (2, 4, 6)


def read_png(path: Path) -> np.ndarray:
    import png

    pixels = _two_bytes(path)
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


def _two_bytes(path: Path) -> np.ndarray | None:
    """Colour from Pillow, which keeps one byte of the two: the first as it is, the second where told it came first.

    A hundred times as fast as Python can undo the filters of a PNG. None where Pillow knows no such way.
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


def ppm_header(head: bytes) -> tuple[bool, int, int, int, int] | None:
    """(plain text, width, height, greatest value, offset of the pixels) of a colour PPM, else None."""
    found = PPM.match(head)
    if not found:
        return None
    plain, width, height, greatest = found.groups()
    return plain == b"3", int(width), int(height), int(greatest), found.end()


def read_ppm(path: Path) -> np.ndarray:
    data = path.read_bytes()
    header = ppm_header(data)
    assert header is not None, "only called for what ppm_header recognised"
    plain, width, height, greatest, offset = header
    count = width * height * 3
    if plain:
        numbers = np.array(re.sub(rb"#[^\n]*", b"", data[offset:]).split()[:count], dtype=np.int64)
    else:
        numbers = np.frombuffer(data, ">u2", offset=offset, count=min(count, (len(data) - offset) // 2))
    if len(numbers) < count:
        raise BadInput(f"{path}: truncated ({len(numbers)} of {count} numbers)")
    if greatest > 65535 or numbers.max(initial=0) > greatest:
        raise BadInput(f"{path}: not a PPM picture (values above its greatest value {greatest})")
    return _scaled(numbers, greatest).reshape(height, width, 3)


def _scaled(numbers: np.ndarray, greatest: int) -> np.ndarray:
    """Whole numbers 0..greatest as 0..65535, rounded; exact where greatest is 65535."""
    return ((numbers.astype(np.int64) * 65535 + greatest // 2) // greatest).astype(np.uint16)


def tiff_header(path: Path) -> Header:
    """Header of the first page. Raises BadInput or an error of tifffile where there is none."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        return page_header(file.pages[0])


def page_header(page: Any) -> Header:
    """Of a page of tifffile's."""
    bits = page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)
    height, width = int(page.imagelength), int(page.imagewidth)  # a broken file gives any type here
    tag = page.tags.get("Orientation")
    if tag is not None and tag.value in (5, 6, 7, 8):
        height, width = width, height
    gray = int(page.samplesperpixel) <= 2 and page.photometric in (0, 1)
    return Header(height, width, gray, bits > 8)


def read_page(page: Any, path: Path, flat: bool = True) -> np.ndarray:
    """A page (of tifffile's) of more than 8 bits, turned upright, and laid over white unless it is not to be `flat`.

    Raises BadInput for what has no meaning as a picture, ValueError for a compression unknown to tifffile.
    """
    photometric, extra = int(page.photometric), [int(kind) for kind in page.extrasamples]
    tag = page.tags.get("Orientation")
    samples = int(page.samplesperpixel)
    if samples > 5:  # before any memory is taken: a header of a few bytes can ask for 65535
        raise BadInput(f"{path}: {samples} channels; {CHANNELS}")
    planar = page.planarconfig == 2 and samples > 1
    pixels = np.asarray(page.asarray()).reshape(
        (samples, page.imagelength, page.imagewidth) if planar else (page.imagelength, page.imagewidth, samples)
    )
    if planar:
        pixels = np.moveaxis(pixels, 0, -1)
    pixels = to_uint16(pixels, path)
    if photometric == 0:  # white is zero
        pixels = 65535 - pixels
    if photometric == 5 and samples >= 4:  # inks: cyan, magenta, yellow, black
        paper = 1 - pixels[..., :4].astype(np.float64) / 65535
        pixels = np.rint(paper[..., :3] * paper[..., 3:] * 65535).astype(np.uint16)
    elif extra:
        pixels = _without_extra(pixels, extra, flat)
    if pixels.shape[-1] not in ((1, 3) if flat else (1, 2, 3, 4)):
        raise BadInput(f"{path}: {samples} channels; {CHANNELS}")
    return upright(pixels, int(tag.value) if tag is not None else 1)


def _without_extra(pixels: np.ndarray, extra: list[int], flat: bool) -> np.ndarray:
    colours = pixels.shape[-1] - len(extra)
    kind, alpha = extra[0], pixels[..., colours : colours + 1]
    pixels = pixels[..., :colours]
    if not flat and kind in (1, 2):
        return np.concatenate([divided(pixels, alpha) if kind == 1 else pixels, alpha], -1)
    if kind == 2:
        return over_white(pixels, alpha)
    if kind == 1:  # multiplied by alpha already
        return np.minimum(pixels.astype(np.uint32) + (65535 - alpha.astype(np.uint32)), 65535).astype(np.uint16)
    return pixels


def divided(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """H×W×S uint16 that were multiplied by alpha H×W×1, as they were before; black where nothing of them is left."""
    whole = alpha.astype(np.uint64)
    found = (pixels * np.uint64(65535) + whole // np.uint64(2)) // np.maximum(whole, np.uint64(1))
    return np.where(whole > 0, np.minimum(found, np.uint64(65535)), np.uint64(0)).astype(np.uint16)


def over_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """H×W×S uint16 laid over white by alpha H×W×1 uint16."""
    mixed = pixels.astype(np.uint64) * alpha + np.uint64(65535) * (65535 - alpha).astype(np.uint64)
    return ((mixed + np.uint64(32767)) // np.uint64(65535)).astype(np.uint16)


def to_uint16(pixels: np.ndarray, path: Path | str) -> np.ndarray:
    """Whole numbers in 0..65535 as they are; floats in [0, 1] times 65535.

    Anything else has no agreed white, and a guess a file would give neighbours different scales: BadInput.
    """
    if pixels.dtype == np.uint16:
        return pixels.astype(np.uint16)
    accepted = "accepted are whole numbers in 0..65535 and floats in 0..1"
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise BadInput(f"{path}: holds NaN or infinite values; {accepted}")
    if pixels.dtype.kind not in "uif":
        raise BadInput(f"{path}: pixels of type {pixels.dtype}; {accepted}")
    low, high = pixels.min(), pixels.max()
    if low < 0 or high > (1 if pixels.dtype.kind == "f" else 65535):
        raise BadInput(f"{path}: values from {low:g} to {high:g}; {accepted}")
    if pixels.dtype.kind == "f":
        return np.rint(pixels.astype(np.float64) * 65535).astype(np.uint16)
    return pixels.astype(np.uint16)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """H×W×S turned as the EXIF orientation (1..8) asks."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
