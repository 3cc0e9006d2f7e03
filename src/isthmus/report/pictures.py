"""Conversion of arrays to images, tiles of images, and GIFs."""

from __future__ import annotations

import base64
import io
import math
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from isthmus.errors import BadInput
from isthmus.files import atomic
from isthmus.media.bit_depth import full_range
from isthmus.media.image_file import KEEP_16_BITS, WRITTEN, write_photo
from isthmus.media.metadata import NOTHING, Info
from isthmus.media.photo import Photo

Array = np.ndarray[Any, np.dtype[Any]]
TILE, FRAME = 72, 256  # maximum height or width, in pixels, to which small images are enlarged
SUFFIXES = {8: tuple(suffix for suffix in WRITTEN if suffix != ".dcm"), 16: KEEP_16_BITS}  # by bits
SMALL = 2**16  # pixels: smaller images are compressed better, as it costs little
# Huffman coding without a search for repetitions, of which images have few: as small as level 1, in half the time.
FAST_PNG: dict[str, Any] = {"format": "PNG", "compress_level": 1, "compress_type": zlib.Z_HUFFMAN_ONLY}
TRANSPARENT = (".png", ".webp")  # formats of a grid with its transparent ground


def to_image(picture: Any) -> Image.Image:
    """An H×W or C×H×W array or tensor as an 8-bit PIL image, gray or RGB; a PIL image is returned unchanged.

    Floats in [0, 1] are clipped (NaN is black); uint8, uint16 and bool have their own range. One channel is gray, three
    are RGB; of four or more the first three are used, of two the mean. Raises BadInput.
    """
    if isinstance(picture, Image.Image):
        return picture
    pixels = _unit(picture)
    return Image.fromarray(np.rint(pixels * 255).astype(np.uint8))


def as_pictures(items: Any) -> Array:
    """A batch N×C×H×W, N×H×W or N×D as images N×C×H×W.

    A row of D becomes a square if D is a square number (784: 28×28), else a strip one pixel high. Raises BadInput.
    """
    batch = _array(items)
    if batch.ndim == 4:
        return batch
    if batch.ndim == 3:
        return batch[:, None]
    if batch.ndim != 2:
        raise BadInput(f"a batch of shape {batch.shape} cannot be drawn; N×C×H×W, N×H×W or N×D can")
    root = math.isqrt(batch.shape[1])
    height, width = (root, root) if root * root == batch.shape[1] else (1, batch.shape[1])
    return batch.reshape(-1, 1, height, width)


def grid(pictures: Any, *, columns: int | None = None, scale: int | None = None, gap: int = 2) -> Image.Image:
    """A batch (see `as_pictures`) or a list of images as tiles, `gap` pixels apart on a transparent background.

    Tiles are enlarged by an integer factor, so that pixels stay sharp: by `scale`, or to at most 72×72 pixels; they are
    never downsized. In a list of unequal sizes small tiles are enlarged as far as they fit, and centered. The result is
    RGBA. Raises BadInput without images.
    """
    tiles = _images(pictures)
    if not tiles:
        raise BadInput("there are no images to draw")
    columns = min(columns or math.ceil(math.sqrt(len(tiles))), len(tiles))
    lines = math.ceil(len(tiles) / columns)
    width, height = max(t.width for t in tiles), max(t.height for t in tiles)
    scale = scale or max(1, TILE // max(width, height))
    width, height = width * scale, height * scale
    sheet = Image.new("RGBA", (columns * (width + gap) - gap, lines * (height + gap) - gap), (0, 0, 0, 0))
    for i, tile in enumerate(tiles):
        tile = enlarge(tile, min(width // tile.width, height // tile.height))
        x = i % columns * (width + gap) + (width - tile.width) // 2
        y = i // columns * (height + gap) + (height - tile.height) // 2
        sheet.paste(tile.convert("RGBA"), (x, y))
    return sheet


def rows(*lines: Any, scale: int | None = None, gap: int = 2) -> Image.Image:
    """Rows of N images, one under the other, such as originals over their reconstructions. Raises BadInput."""
    stacked = [_images(line) for line in lines]
    lengths = {len(line) for line in stacked}
    if len(lengths) != 1:
        raise BadInput(f"lines of unequal length cannot be stacked: {', '.join(str(len(s)) for s in stacked)}")
    return grid([tile for line in stacked for tile in line], columns=lengths.pop(), scale=scale, gap=gap)


def enlarge(image: Image.Image, scale: int) -> Image.Image:
    """The image with every pixel repeated `scale` × `scale` times."""
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def write_picture(path: Path | str, picture: Any, bits: int = 8, text: str = "") -> Path:
    """Write an image that `to_image` accepts, atomically; 16 bits as .png or .tif. Raises BadInput.

    text: ASCII that a PNG gets as its text "isthmus".
    """
    path = Path(path)
    accepted = SUFFIXES.get(bits, ())
    if path.suffix.lower() not in accepted:
        raise BadInput(f"{path}: not a name for a picture of {bits} bits; it can end in {', '.join(accepted)}")
    if isinstance(picture, Image.Image) and picture.mode == "RGBA" and path.suffix.lower() in TRANSPARENT:
        pixels = np.asarray(picture)
        return write_photo(path, Photo(pixels[..., :3], pixels[..., 3], _info(path, text)))
    pixels = np.rint(_unit(picture) * (2**bits - 1)).astype(f"uint{bits}")
    return write_photo(path, Photo(pixels[..., None] if pixels.ndim == 2 else pixels, info=_info(path, text)))


def _info(path: Path, text: str) -> Info:
    wanted = text and path.suffix.lower() == ".png"
    return Info(texts=((b"tEXt", b"isthmus\0" + text.encode("ascii")),)) if wanted else NOTHING


def write_gif(path: Path | str, frames: Iterable[Any], milliseconds: int = 80, scale: int | None = None) -> Path:
    """Write images that `to_image` accepts as frames of an endless animation, enlarged to at most 256×256 pixels.

    Raises BadInput without frames, for frames of unequal size, and if the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".gif":
        raise BadInput(f"{path}: an animation's name ends in .gif")
    images = [to_image(frame) for frame in frames]
    if not images or len({image.size for image in images}) != 1:
        raise BadInput(f"{path}: an animation needs frames, and all of one size")
    scale = scale or max(1, FRAME // max(images[0].size))
    first, *others = [enlarge(image, scale) for image in images]
    with atomic(path) as temporary:
        # Each frame is cleared before the next: transparent pixels would show the frame before.
        first.save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=others,
            duration=milliseconds,
            loop=0,
            disposal=2,
        )
    return path


def data_uri(image: Image.Image) -> str:
    """The image as a PNG data URI."""
    if image.mode == "RGBA":
        pixels = np.asarray(image)
        if (pixels[..., :1] == pixels[..., 1:3]).all():
            image = image.convert("LA")  # gray tiles need half the channels
    buffer = io.BytesIO()
    small = image.width * image.height < SMALL
    # With full compression, 512×256 take 150 ms.
    image.save(buffer, **({"format": "PNG", "optimize": True} if small else FAST_PNG))
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _array(items: Any) -> Array:
    if hasattr(items, "detach"):  # a tensor, maybe with a gradient or on a GPU
        items = items.detach().cpu()
        items = items.float() if items.is_floating_point() else items  # NumPy has no bfloat16
    return np.asarray(items)


def _unit(picture: Any) -> Array:
    """H×W or H×W×3 in [0, 1]."""
    if isinstance(picture, Image.Image):
        pixels = np.asarray(_flat(picture))
    else:
        pixels = _array(picture)
        if pixels.ndim == 3:
            pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise BadInput(f"an array of shape {pixels.shape} is no picture; C×H×W or H×W is")
    if pixels.dtype in (np.uint8, np.uint16):
        pixels = pixels / full_range(pixels.dtype)[1]
    elif not (np.issubdtype(pixels.dtype, np.floating) or pixels.dtype == bool):
        raise BadInput(f"numbers of type {pixels.dtype} are no picture; float in [0, 1], uint8, uint16 or bool are")
    pixels = np.clip(np.nan_to_num(pixels.astype(float), nan=0.0), 0, 1)
    if pixels.ndim == 3:
        pixels = pixels[..., :3] if pixels.shape[2] >= 3 else pixels.mean(axis=2)
    return pixels


def _images(pictures: Any) -> list[Image.Image]:
    is_list = isinstance(pictures, (list, tuple)) or not hasattr(pictures, "ndim")
    return [to_image(picture) for picture in (pictures if is_list else as_pictures(pictures))]


def _flat(image: Image.Image) -> Image.Image:
    """The image, composited over white if it has another mode than gray or RGB."""
    if image.mode in ("L", "RGB"):
        return image
    image = image.convert("RGBA")
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image).convert("RGB")
