"""Reading of one image file: its header without decoding it, or its pixels as C×H×W integers."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.errors import BadInput
from isthmus.media import high_bit_depth, npy_images, tiff
from isthmus.media.color_spaces import from_cmyk, from_lab
from isthmus.media.dicom import reader
from isthmus.media.file_content import (
    Header,
    check_size,
    decoding,
    head_of,
    kept_for_file,
    kind_of,
    open_content,
    png_is_deep_color,
    ppm_header,
    read_error,
    states_its_white,
)
from isthmus.media.high_bit_depth import Layers

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = ("png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp", "ppm", "pgm", "dcm")
# Only these decoders are used: others of Pillow's run programs (EPS) or are seldom tested.
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "PPM")
ANIMATED = ("GIF", "WEBP", "PNG")  # formats that may hold several frames; the images in a JPEG are views of one

HEIC = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1")  # phones and their users name such files .jpg
HEADERS = {"dicom": reader.dicom_header, "tiff": tiff.tiff_header, "npy": npy_images.npy_header}
DEEP_GRAY = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")


def is_picture_name(path: Path | str) -> bool:
    return Path(path).suffix.lower().lstrip(".") in SUFFIXES


def peek(path: Path | str) -> Header:
    """Size (upright), gray or color, and depth of an image, without decoding it.

    Raises BadInput for a file that is not an image, or too large.
    """
    path = Path(path)
    with decoding(path):
        header = _header(path)
    return check_size(path, header)


@kept_for_file
def _header(path: Path) -> Header:
    head = _head(path)
    if (kind := kind_of(head, path)) in HEADERS:
        return HEADERS[kind](path)
    stated = states_its_white(head)
    if (ppm := ppm_header(head)) is not None:
        return Header(ppm[2], ppm[1], gray=False, deep=ppm[3] > 255, stated=stated)
    with open_image(path) as image:
        width, height = image.size
        if image.info.get("exif") and image.getexif().get(0x0112) in (5, 6, 7, 8):
            width, height = height, width
        deep = png_is_deep_color(head) or image.mode in DEEP_GRAY
        several = image.format in ANIMATED and bool(getattr(image, "is_animated", False))
        return Header(height, width, _is_gray(image), deep, 0, several, stated=stated)


def read_picture(path: Path | str, shorter: int | None = None) -> np.ndarray:
    """C×H×W uint8, or uint16 if the file has more than 8 bits; C is 1 (gray) or 3 (color).

    Upright by its EXIF orientation, transparency composited over white, the first frame of several. `shorter`: the
    smaller of height and width after a later resize; a JPEG is then decoded at a fraction of its size, never below
    twice that.

    Raises BadInput, naming the file, if it cannot be read.
    """
    samples = read_layers(path, shorter).flat()
    if samples.dtype not in (np.uint8, np.uint16):
        samples = high_bit_depth.to_uint16(samples, path)
    return np.ascontiguousarray(np.moveaxis(samples, -1, 0))


def read_units(path: Path | str) -> np.ndarray:
    """C×H×W float32 of an image in units, unscaled. Raises BadInput, naming the file."""
    pixels = read_layers(path).flat().astype(np.float32)
    if not np.isfinite(pixels).all():
        raise BadInput(
            f"{path}: holds NaN or infinite values, or values beyond 32-bit floats; accepted are finite numbers"
        )
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 0))


def read_layers(path: Path | str, shorter: int | None = None) -> Layers:
    """Like read_picture, with transparency and further bands as separate layers."""
    path = Path(path)
    try:
        kind = kind_of(_head(path), path)
        if kind == "tiff":
            return _tiff(path)
        if kind == "png":
            return _deep_png(path)
        if kind == "pillow":
            return _by_pillow(path, path, shorter)
        check_size(path, _header(path))
        if kind == "npy":
            return npy_images.read_npy(path)[0]
        return Layers(high_bit_depth.read_ppm(path) if kind == "ppm" else reader.read_dicom(path)[0])
    except Exception as error:
        raise read_error(path, error) from error


def read_bytes(data: bytes, name: str, shorter: int | None = None) -> np.ndarray:
    """Like read_picture, for a file in memory. Color of 16 bits, which Pillow cannot decode, raises BadInput."""
    try:
        kind = kind_of(data, name)
        if kind in ("png", "ppm"):
            raise BadInput(f"{name}: 16-bit color is not read from a shard; 16-bit gray and 8 bits are accepted")
        if kind == "dicom":
            pixels = reader.read_dicom(Path(name), io.BytesIO(data))[0]
        else:
            pixels = _by_pillow(io.BytesIO(data), Path(name), shorter).flat()
    except Exception as error:
        raise read_error(Path(name), error) from error
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 0))


def _by_pillow(source: Path | io.BytesIO, path: Path, shorter: int | None) -> Layers:
    with open_image(source, path) as image:
        if shorter:
            scale = 2 * shorter / min(image.size)
            image.draft(None, (max(1, int(image.width * scale)), max(1, int(image.height * scale))))
        return layers_of(image, path)


def layers_of(image: Image, path: Path | str = "picture") -> Layers:
    """Layers of a Pillow image of any mode: uint8, or uint16 for its deep gray modes."""
    from PIL import ImageOps

    gray = _is_gray(image)
    image.load()
    if image.mode in DEEP_GRAY:
        pixels = high_bit_depth.to_uint16(np.asarray(image), path)[..., None]
        if isinstance(clear := image.info.get("transparency"), int):  # the one gray level that is transparent
            pixels = np.concatenate([pixels, np.where(pixels == clear, 0, 65535).astype(np.uint16)], -1)
        return Layers.of(high_bit_depth.upright(pixels, image.getexif().get(0x0112, 1)))
    ImageOps.exif_transpose(image, in_place=True)  # otherwise it copies upright images, too
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        step = {"La": "LA", "RGBa": "RGBA"}.get(image.mode)
        image = (image.convert(step) if step else image).convert("RGBA")
        samples = _array(image)
        return Layers.of(samples[..., [0, 3]] if gray else samples)
    if image.mode in ("LAB", "CMYK"):
        image = from_lab(image) if image.mode == "LAB" else from_cmyk(image)
    if gray:
        image = image if image.mode in ("1", "L") else image.convert("RGB")
        return Layers(_array(image.convert("L"))[..., None])
    return Layers(_array(image if image.mode == "RGB" else image.convert("RGB")))


def _array(image: Image) -> np.ndarray:
    """A Pillow image as an array; a large one in parts, because Pillow makes two copies on the way."""
    if image.height * image.width < 2**22:
        return np.asarray(image)
    bands = len(image.getbands())
    pixels = np.empty((image.height, image.width, bands)[: 2 + (bands > 1)], np.uint8)
    for top in range(0, image.height, 256):
        bottom = min(top + 256, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels


def _is_gray(image: Image) -> bool:
    """By the header alone, so that peek and read_picture agree: a color file with gray pixels only is color."""
    if image.mode in ("P", "PA"):
        palette = np.asarray(image.getpalette("RGB") or [0, 0, 1]).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La", *DEEP_GRAY)


def _tiff(path: Path) -> Layers:
    import tifffile

    with tifffile.TiffFile(path) as file:
        return tiff_page(file.pages[0], path, lambda: _by_pillow(path, path, None))


def tiff_page(page: Any, path: Path, by_pillow: Callable[[], Layers]) -> Layers:
    """A page of a tifffile.TiffFile: by Pillow, which knows all color spaces, if it has 8 bits and no further bands."""
    header = check_size(path, tiff.page_header(page))
    if not header.deep and not header.bands:
        with suppress(OSError):  # a compression or planar layout that Pillow does not know
            return by_pillow()
    return tiff.read_page(page, path)


def pixels_of(image: Image, path: Path | str = "picture") -> np.ndarray:
    """H×W×C of a Pillow image, composited over white."""
    return layers_of(image, path).flat()


def _deep_png(path: Path) -> Layers:
    with open_image(path) as image:
        orientation = image.getexif().get(0x0112, 1) if image.info.get("exif") else 1
    return Layers.of(high_bit_depth.upright(high_bit_depth.read_png(path), orientation))


def open_image(source: Path | io.BytesIO, path: Path | None = None) -> Image:
    """A Pillow image, not decoded yet; BadInput if it is too large."""
    from PIL import Image

    # Broken and too large files are reported below.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    image = Image.open(open_content(source) if isinstance(source, Path) else source, formats=FORMATS)
    if image.format == "TIFF":
        image.filename = ""  # otherwise Pillow maps the file, and swaps width and height of a rotated one
    try:
        check_size(path or Path(str(source)), Header(image.height, image.width, gray=False, deep=False))
    except BadInput:
        image.close()
        raise
    return image


def _head(path: Path) -> bytes:
    head = head_of(path)
    if not head:
        raise BadInput(f"{path}: empty file (0 bytes)")
    if head[4:12] in HEIC:
        raise BadInput(f"{path}: is HEIC in spite of its suffix, which is not read; save it as .jpg or .png first")
    return head


def is_tiff(path: Path) -> bool:
    return kind_of(_head(path), path) == "tiff"
