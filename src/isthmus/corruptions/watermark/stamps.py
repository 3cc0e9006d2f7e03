"""Stamps of a watermark: logos from files, words, plain shapes; each a small image with alpha, cropped tightly."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from isthmus.corruptions.watermark import lettering
from isthmus.errors import BadInput
from isthmus.media.image_reader import FORMATS, is_picture_name

LARGEST = 256  # logos are downsampled to this, because hundreds of them are cached
Color = tuple[int, int, int]
Stamp = tuple[Image.Image, Color | None]  # an RGBA image and None; or an alpha image and its color


def stamp(files: tuple[Path, ...], random: np.random.Generator) -> Stamp:
    """A single file always; one of several in a third of cases, recolored; else a word (four in five) or a shape."""
    if len(files) == 1:
        return logo(files[0]), None
    if files and random.random() < 1 / 3:
        return recolor(logo(files[int(random.integers(len(files)))]), random)
    return word(random) if random.random() < 0.8 else (shape(random), random_color(random))


@lru_cache(maxsize=64)
def overlay_files(overlay: tuple[str, ...]) -> tuple[Path, ...]:
    """The image files of a list of files and folders, sorted by name. Raises BadInput if there are none."""
    files: list[Path] = []
    for path in map(Path, overlay):
        if not path.exists():
            raise BadInput(f"{path}: there is no such overlay; an image with transparency or a folder is accepted")
        inside = sorted(file for file in path.rglob("*") if is_picture_name(file)) if path.is_dir() else [path]
        if not inside:
            raise BadInput(f"{path}: this folder holds no overlay images")
        files += inside
    return tuple(files)


@lru_cache(maxsize=512)
def logo(path: Path) -> Image.Image:
    """An image file as RGBA, opaque if it has no transparency. Raises BadInput for a file that is no image."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            logo = image.convert("RGBA")
    except Exception as error:
        raise BadInput(f"{path}: not an image that can be used as overlay ({error})") from error
    visible = logo.getbbox(alpha_only=True)
    if visible is None:
        raise BadInput(f"{path}: an overlay that is transparent everywhere")
    logo = logo.crop(visible)
    logo.thumbnail((LARGEST, LARGEST))
    return logo


def recolor(image: Image.Image, random: np.random.Generator) -> Stamp:
    """An RGBA image in its own colors, in gray, from a random color (for black) to white, or in one color."""
    how = int(random.integers(4))
    if how == 0:
        return image, None
    if how == 1:
        return image.getchannel("A"), random_color(random)
    light, black = image.convert("L"), (0, 0, 0) if how == 2 else random_color(random)
    bands = [light.point([low + (255 - low) * value // 255 for value in range(256)]) for low in black]
    return Image.merge("RGBA", [*bands, image.getchannel("A")]), None


def word(random: np.random.Generator) -> Stamp:
    """3 to 16 letters in a random font and color; one in three bolder, one in three with a colored outline."""
    letters, font, paint = (
        lettering.words(random, int(random.integers(3, 17))),
        lettering.face(random),
        random_color(random),
    )
    how = int(random.integers(3))
    edge = int(random.integers(1, 5)) if how else 0
    left, top, right, bottom = (int(side) for side in font.getbbox(letters, stroke_width=edge))
    size, place = (max(1, right - left), max(1, bottom - top)), (-left, -top)
    if how < 2:
        image = Image.new("L", size)
        ImageDraw.Draw(image).text(place, letters, 255, font, stroke_width=edge)
        return image, paint
    around = random_color(random)
    image = Image.new("RGBA", size, (*around, 0))
    draw = ImageDraw.Draw(image)
    draw.text(place, letters, (*paint, 255), font, stroke_width=edge, stroke_fill=(*around, 255))
    return image, None


def shape(random: np.random.Generator, filled: float = 0.3) -> Image.Image:
    """A disc, box or polygon, filled (in a share `filled` of cases) or its outline, or a cross; 255 where opaque."""
    image, square = Image.new("L", (128, 128)), (1, 1, 126, 126)
    draw, kind, width = ImageDraw.Draw(image), int(random.integers(4)), int(random.integers(2, 16))
    fill = 255 if random.random() < filled else None
    if kind == 0:
        draw.ellipse(square, fill, 255, width)
    elif kind == 1:
        draw.rectangle(square, fill, 255, width)
    elif kind == 2:
        draw.regular_polygon((64, 64, 62), int(random.integers(3, 9)), fill=fill, outline=255, width=width)
    else:
        draw.line((1, 1, 126, 126), 255, width)
        draw.line((1, 126, 126, 1), 255, width)
    return image


def random_color(random: np.random.Generator) -> Color:
    """A random color; white, black or gray in half of the cases, as in real watermarks."""
    if random.random() < 0.5:
        red, green, blue = random.integers(0, 256, 3).tolist()
        return red, green, blue
    gray = (255, 255, 0, int(random.integers(256)))[random.integers(4)]
    return gray, gray, gray
