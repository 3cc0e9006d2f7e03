"""What is laid over pictures: people's own logos, words, plain shapes.

Each is a small picture with transparency, cut to what is seen of it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from isthmus.corruptions.watermark import lettering
from isthmus.errors import BadInput
from isthmus.media.image_reader import FORMATS, is_picture_name

LARGEST = 256  # a logo is kept no larger than this, because hundreds of them are kept
Colour = tuple[int, int, int]
Stamp = tuple[Image.Image, Colour | None]  # RGBA; or gray that says how much it covers, and the one colour it has


def stamp(files: tuple[Path, ...], random: np.random.Generator) -> Stamp:
    """The one file, always; one of several once in three, recolored; else a word (four in five) or a shape."""
    if len(files) == 1:
        return logo(files[0]), None
    if files and random.random() < 1 / 3:
        return recoloured(logo(files[int(random.integers(len(files)))]), random)
    return word(random) if random.random() < 0.8 else (shape(random), colour(random))


@lru_cache(maxsize=64)
def listed(overlay: tuple[str, ...]) -> tuple[Path, ...]:
    """The picture files that paths of files and folders mean, by name. Raises BadInput where there are none."""
    found: list[Path] = []
    for path in map(Path, overlay):
        if not path.exists():
            raise BadInput(f"{path}: there is no such overlay; a picture with transparency or a folder is accepted")
        inside = sorted(file for file in path.rglob("*") if is_picture_name(file)) if path.is_dir() else [path]
        if not inside:
            raise BadInput(f"{path}: no picture to lay over others in this folder")
        found += inside
    return tuple(found)


@lru_cache(maxsize=512)
def logo(path: Path) -> Image.Image:
    """A picture file with its transparency; without any, all of it covers. Raises BadInput for what is no picture."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            whole = image.convert("RGBA")
    except Exception as error:
        raise BadInput(f"{path}: not a picture that can be laid over others ({error})") from error
    seen = whole.getbbox(alpha_only=True)
    if seen is None:
        raise BadInput(f"{path}: an overlay that is transparent everywhere")
    whole = whole.crop(seen)
    whole.thumbnail((LARGEST, LARGEST))
    return whole


def recoloured(image: Image.Image, random: np.random.Generator) -> Stamp:
    """An RGBA picture in its own colours, in gray, from any one colour (where it is black) to white, or all in one."""
    how = int(random.integers(4))
    if how == 0:
        return image, None
    if how == 1:
        return image.getchannel("A"), colour(random)
    light, black = image.convert("L"), (0, 0, 0) if how == 2 else colour(random)
    bands = [light.point([low + (255 - low) * value // 255 for value in range(256)]) for low in black]
    return Image.merge("RGBA", [*bands, image.getchannel("A")]), None


def word(random: np.random.Generator) -> Stamp:
    """3 to 16 letters of any face in one color, one in three bolder, one in three with an outline of another."""
    letters, font, paint = lettering.words(random, int(random.integers(3, 17))), lettering.face(random), colour(random)
    how = int(random.integers(3))
    edge = int(random.integers(1, 5)) if how else 0
    left, top, right, bottom = (int(side) for side in font.getbbox(letters, stroke_width=edge))
    size, place = (max(1, right - left), max(1, bottom - top)), (-left, -top)
    if how < 2:
        image = Image.new("L", size)
        ImageDraw.Draw(image).text(place, letters, 255, font, stroke_width=edge)
        return image, paint
    around = colour(random)
    image = Image.new("RGBA", size, (*around, 0))
    draw = ImageDraw.Draw(image)
    draw.text(place, letters, (*paint, 255), font, stroke_width=edge, stroke_fill=(*around, 255))
    return image, None


def shape(random: np.random.Generator, filled: float = 0.3) -> Image.Image:
    """A disc, a box or a polygon, full (a share of `filled`) or only its edge, or a cross; 255 where it covers."""
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


def colour(random: np.random.Generator) -> Colour:
    """Any; but white, black or a gray as often as all others, as in life."""
    if random.random() < 0.5:
        red, green, blue = random.integers(0, 256, 3).tolist()
        return red, green, blue
    gray = (255, 255, 0, int(random.integers(256)))[random.integers(4)]
    return gray, gray, gray
