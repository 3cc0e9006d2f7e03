"""Reading of one page of a TIFF: its header without decoding, or its samples in any compression.

tifffile alone decodes few compressions, and needs imagecodecs for the others. Pillow's libtiff knows most of them; it
cuts color of 16 bits to 8, but can return either byte.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.errors import BadInput
from isthmus.media.bit_depth import full_range
from isthmus.media.file_content import Header
from isthmus.media.high_bit_depth import CHANNELS, Layers, scaled, to_uint16, unpremultiplied, upright

CMYK = 5  # a photometric interpretation
ASSOCIATED, UNASSOCIATED = 1, 2  # kinds of extra samples: alpha by which the color is premultiplied, or not
MAX_SAMPLES = 64  # per pixel; a broken header of a few bytes can ask for 65535
NOT_READ = {3: "a palette", 4: "a mask", 6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab", 32803: "a sensor's mosaic"}


def tiff_header(path: Path) -> Header:
    """Header of the first page. Raises BadInput or an error of tifffile if there is none."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        header = page_header(file.pages[0])
        with suppress(Exception):
            second: Any = file.pages[1] if has_next_page(file, 0) else None
            header = header._replace(several=second is not None and not second.is_reduced)
        return header


def has_next_page(file: Any, number: int) -> bool:
    """Whether a page of a tifffile.TiffFile names a next page, which may be missing in a truncated file."""
    tiff, raw = file.tiff, file.filehandle
    offset = file.pages[number].offset
    raw.seek(offset)
    (tags,) = struct.unpack(tiff.tagnoformat, raw.read(tiff.tagnosize))
    raw.seek(offset + tiff.tagnosize + tags * tiff.tagsize)
    return bool(raw.read(tiff.offsetsize).strip(b"\0"))


def page_header(page: Any) -> Header:
    """Header of a page of a tifffile.TiffFile."""
    bits = page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)
    height, width = int(page.imagelength), int(page.imagewidth)  # a broken file gives any type here
    tag = page.tags.get("Orientation")
    if tag is not None and tag.value in (5, 6, 7, 8):
        height, width = width, height
    colors, alpha = _kinds(page)
    bands = int(page.samplesperpixel) - colors - alpha
    dtype = None if page.dtype is None else np.dtype(page.dtype)
    plain = dtype is None or alpha or int(page.photometric) not in (1, 2) or (dtype.kind == "u" and dtype.itemsize < 4)
    units = "" if plain or dtype is None else dtype.name
    return Header(height, width, colors == 1, bits > 8, bands, units=units, stated=8 < bits < 16)


def _kinds(page: Any) -> tuple[int, int]:
    """(number of color samples, number of alpha samples: 0 or 1); alpha follows the color, the others are bands."""
    samples, photometric = int(page.samplesperpixel), int(page.photometric)
    colors = {0: 1, 1: 1, 3: 3, CMYK: 4}.get(photometric, 3)
    if photometric == 3:  # a palette: one sample of three colors
        return 3, samples - 3
    alpha = samples > colors and (list(page.extrasamples) or [0])[0] in (ASSOCIATED, UNASSOCIATED)
    return min(colors, samples), int(alpha)


def read_page(page: Any, path: Path) -> Layers:
    """The layers of a page of a tifffile.TiffFile, except color spaces that only Pillow converts.

    Raises BadInput for a page that is not an image, and for a compression that needs imagecodecs if that is missing,
    with the command that installs it.
    """
    samples, photometric = int(page.samplesperpixel), int(page.photometric)
    if samples > MAX_SAMPLES:  # before any memory is allocated
        raise BadInput(f"{path}: {samples} channels; accepted are up to {MAX_SAMPLES}")
    if photometric in NOT_READ and not (photometric == 6 and int(page.compression) in (6, 7)):
        bits = np.max(page.bitspersample)
        raise BadInput(f"{path}: a TIFF of {NOT_READ[photometric]} in {bits} bits is not read; gray, RGB and CMYK are")
    colors, alphas = _kinds(page)
    if colors not in (1, 3, 4):
        raise BadInput(f"{path}: {samples} channels; {CHANNELS}")
    pixels = _scaled_integers(_decoded(page, path), page, path)
    plain = pixels.dtype in (np.uint8, np.uint16)
    if not plain and (photometric in (0, CMYK) or alphas):  # these are defined relative to white
        pixels = to_uint16(pixels, path)
    top = int(full_range(pixels.dtype)[1])
    color, alpha, bands = pixels[..., :colors], pixels[..., colors : colors + alphas], pixels[..., colors + alphas :]
    if photometric == 0:  # white is zero
        color = top - color
    if photometric == CMYK:
        paper = 1 - color.astype(np.float64) / top
        color = np.rint(paper[..., :3] * paper[..., 3:] * top).astype(pixels.dtype)
    if alphas and int(page.extrasamples[0]) == ASSOCIATED:
        color = unpremultiplied(color, alpha)
    tag = page.tags.get("Orientation")
    color, alpha, bands = (upright(part, int(tag.value) if tag else 1) for part in (color, alpha, bands))
    return Layers(color, alpha[..., 0] if alphas else None, bands if bands.shape[-1] else None)


def _decoded(page: Any, path: Path) -> np.ndarray:
    """H×W×S as stored."""
    samples = int(page.samplesperpixel)
    size = (int(page.imagelength), int(page.imagewidth))
    try:
        pixels = np.asarray(page.asarray())
    except (ValueError, ImportError, NotImplementedError) as error:
        if isinstance(error, ValueError) and "imagecodecs" not in str(error):
            raise
        if (decoded := _by_pillow(page, path)) is None:
            kind = str(getattr(page.compression, "name", page.compression)).replace("_", " ")
            reason = (
                f"compressed as {kind}"
                if int(page.compression) != 1
                else f"packed in {np.max(page.bitspersample)} bits"
            )
            raise BadInput(
                f"{path}: this TIFF is {reason}, which needs imagecodecs: pip install 'isthmus[tiff]'"
            ) from error
        pixels = decoded
    planar = page.planarconfig == 2 and samples > 1
    return np.moveaxis(pixels.reshape(samples, *size), 0, -1) if planar else pixels.reshape(*size, samples)


def _by_pillow(page: Any, path: Path) -> np.ndarray | None:
    """H×W or H×W×S as stored, decoded by libtiff; None if Pillow cannot return both bytes."""
    from PIL import Image

    def read_byte(half: str) -> np.ndarray | None:
        """The first byte in memory of each sample (B), or the second (L)."""
        with Image.open(path, formats=("TIFF",)) as image:
            image.seek(page.index)
            if image.mode in ("I;16", "I;16B", "I", "F"):
                return np.asarray(image)
            tiles: Any = image.tile
            if page.planarconfig != 1 or {tile.args[0] for tile in tiles} != {f"{image.mode};16N"}:
                return None
            image.tile = [tile._replace(args=(f"{image.mode};16{half}", *tile.args[1:])) for tile in tiles]
            return np.asarray(image)

    with suppress(OSError, ValueError, EOFError):
        first, second = read_byte("B"), read_byte("L")
        if first is None or second is None:
            return None
        if first.dtype != np.uint8:
            return first.astype(first.dtype.newbyteorder("="))
        return np.stack([first, second], -1).view(np.uint16)[..., 0]
    return None


def _scaled_integers(pixels: np.ndarray, page: Any, path: Path) -> np.ndarray:
    """uint8 or uint16 whose maximum is white, also for packed values of 9 to 15 bits; values in units (floats, signed
    and 32-bit integers) are returned unchanged."""
    bits = int(np.max(page.bitspersample))
    if pixels.dtype == np.uint8 and bits == 8:
        return pixels
    if pixels.dtype.kind == "u" and bits < 16:
        to = np.uint8 if bits < 8 else np.uint16
        return scaled(pixels, 2**bits - 1, int(np.iinfo(to).max)).astype(to)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise BadInput(f"{path}: holds NaN or infinite values; accepted are finite numbers")
    if pixels.dtype.kind not in "uif":
        raise BadInput(f"{path}: pixels of type {pixels.dtype}; accepted are integers and floats")
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
