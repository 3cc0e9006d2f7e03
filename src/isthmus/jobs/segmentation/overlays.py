"""Overlays: an image with its classes or objects in color, and the comparison of a prediction with the truth."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from PIL import Image, ImageDraw

from isthmus.media.bit_depth import full_range
from isthmus.media.photo import Photo
from isthmus.metrics.instances import overlaps
from isthmus.metrics.segmentation import IGNORE

# Colors of Okabe and Ito (2008), which the color-blind tell apart; black is left out.
PALETTE = np.array(
    [(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167)],
    np.uint8,
)
CORRECT, FALSE, MISSED = PALETTE[2], PALETTE[5], PALETTE[4]  # green, red, blue
FILL, STRONG = 0.35, 0.6  # opacity of a class, and of a difference
GRAY, HATCH = (128, 128, 128), 8  # color of ignored pixels, and the period of their hatching in pixels
LEAST, MOST, PANEL = 256, 2048, 640  # least height, and largest side of an overlay and of a panel, in pixels
GAP, CAPTION = 6, 16  # between panels, and the height of their captions
DARK = 100  # of 255: images without brighter pixels are drawn brighter
LOW, HIGH, SAMPLED = 1.0, 99.8, 2**20  # percentiles of deep images that are drawn black and white, of so many pixels
TITLES = ("picture", "truth", "prediction", "green correct, red false, blue missed, gray ignored")


class Found(Protocol):
    """classes: H×W uint8. objects: H×W integers, or None."""

    @property
    def classes(self) -> np.ndarray: ...

    @property
    def objects(self) -> np.ndarray | None: ...


class Truth(Protocol):
    """classes: H×W uint8. instances: H×W integers, or None."""

    @property
    def classes(self) -> np.ndarray: ...

    @property
    def instances(self) -> np.ndarray | None: ...


def overlay(
    photo: Photo,
    classes: np.ndarray,
    instances: np.ndarray | None = None,
    most: int = MOST,
    background: int | None = 0,
) -> Image.Image:
    """The image with each class but the background filled and outlined; ignored pixels are gray and hatched.

    classes: H×W uint8. instances: H×W integers; with two classes each object has a color of its own. Images of less
    than 256 pixels in height are enlarged, and those with a longer side than `most` reduced.
    """
    scale = _enlargement(photo.size)
    pixels = _enlarged(as_color(photo), scale)
    classes = _enlarged(classes, scale)
    parts = classes if instances is None else _enlarged(instances, scale)
    drawn = foreground(classes, background)
    by_class = instances is None or bool((classes[drawn] > (background == 0)).any())
    if not by_class:
        drawn &= parts > 0
    outlines = _outlines(parts, _thickness(pixels, most))
    for rows in _bands(pixels):
        kinds, marked, ignored = (classes if by_class else parts)[rows], drawn[rows], classes[rows] == IGNORE
        colors = PALETTE[(kinds[marked].astype(np.int64) - 1) % len(PALETTE)]
        _mix(pixels[rows], marked, colors, np.where(outlines[rows][marked], 1, FILL)[:, None])
        _hatch(pixels[rows], ignored)
    return _reduced(Image.fromarray(pixels), most)


def foreground(classes: np.ndarray, background: int | None) -> np.ndarray:
    """H×W bool: pixels of a class that is not the background."""
    return classes != IGNORE if background is None else (classes != IGNORE) & (classes != background)


def panels(photo: Photo, found: Found, true: Truth, background: int | None = 0) -> Image.Image:
    """Picture, truth, prediction and difference beside each other, with captions.

    Difference: green is correct, red is false (of a wrong class, or of an object without a match), blue is missed, gray
    is ignored. Objects match at an IoU of .5.
    """
    height, width = photo.size
    none = np.zeros((height, width), np.uint8)
    both = true.instances is not None and found.objects is not None
    images = [
        overlay(photo, none, most=PANEL),
        overlay(photo, true.classes, true.instances if both else None, PANEL, background),
        overlay(photo, found.classes, found.objects if both else None, PANEL, background),
        difference(photo, found, true, background),
    ]
    across, down = images[0].size
    sheet = Image.new("RGB", (4 * across + 3 * GAP, down + CAPTION), "white")
    draw = ImageDraw.Draw(sheet)
    for k, (image, title) in enumerate(zip(images, TITLES, strict=True)):
        left = k * (across + GAP)
        sheet.paste(image, (left, CAPTION))
        draw.text((left, 2), _fitted(title, across, draw), "black")
    return sheet


def difference(photo: Photo, found: Found, true: Truth, background: int | None = 0) -> Image.Image:
    """The last of the panels."""
    scale = _enlargement(photo.size)
    correct, false, missed = (_enlarged(each, scale) for each in compare(found, true, background))
    pixels = _enlarged(as_color(photo), scale)
    ignored = _enlarged(true.classes == IGNORE, scale)
    for rows in _bands(pixels):
        for mask, color in ((correct, CORRECT), (false, FALSE), (missed, MISSED)):
            _mix(pixels[rows], mask[rows], color, STRONG)
        _hatch(pixels[rows], ignored[rows])
    return _reduced(Image.fromarray(pixels), PANEL)


def compare(found: Found, true: Truth, background: int | None = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(correct, false, missed), H×W bool each; background that is predicted as such, and ignored pixels, are in none.

    If both have objects, a pixel is correct in an object that matches its own in the truth.
    """
    counted = true.classes != IGNORE
    predicted, wanted = foreground(found.classes, background) & counted, foreground(true.classes, background)
    same = found.classes == true.classes
    if true.instances is not None and found.objects is not None:
        own, other = (np.where(counted, each, 0) for each in (found.objects, true.instances))
        predicted, wanted = own > 0, other > 0
        same &= _matches(own, other)[own] == other
    correct = predicted & wanted & same
    return correct, predicted & ~correct, wanted & ~predicted


def as_color(photo: Photo) -> np.ndarray:
    """H×W×3 uint8 of a photo; dark images, and other types than uint8, are scaled from percentile 1 to 99.8."""
    pixels = photo.pixels
    step = max(1, int((pixels.size / SAMPLED) ** 0.5))
    percentiles = np.percentile(pixels[::step, ::step], (LOW, HIGH))
    if pixels.dtype != np.uint8 or percentiles[1] < DARK:
        low, high = photo.range if photo.range is not None and pixels.dtype != np.uint8 else percentiles
        low, high = (low, high) if high > low else full_range(pixels.dtype)
        gray = np.empty(pixels.shape, np.uint8)
        for rows in _bands(pixels):
            share = (pixels[rows].astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
            gray[rows] = np.rint(share.clip(0, 255))
        pixels = gray
    return np.repeat(pixels, 3, 2) if pixels.shape[2] == 1 else pixels[..., :3].copy()


def _matches(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """For each object of `own` the object of `other` with an IoU of .5 or more; −1 if there is none."""
    rows, columns, common = overlaps(other, own)
    areas = np.bincount(rows, common), np.bincount(columns, common)
    close = (rows > 0) & (columns > 0) & (2 * common >= areas[0][rows] + areas[1][columns] - common)
    partner = np.full(int(own.max(initial=0)) + 1, -1, np.int64)
    partner[columns[close]] = rows[close]
    return partner


def _outlines(parts: np.ndarray, thickness: int) -> np.ndarray:
    """H×W bool: pixels within `thickness` of another label, above, below, left or right."""
    edge = np.zeros(parts.shape, bool)
    for by in range(1, thickness + 1):
        for one, other in ((np.s_[by:], np.s_[:-by]), (np.s_[:, by:], np.s_[:, :-by])):
            differs = parts[one] != parts[other]
            edge[one] |= differs
            edge[other] |= differs
    return edge


def _thickness(pixels: np.ndarray, most: int) -> int:
    """Pixels of an outline that is one pixel wide after the image is reduced."""
    return max(1, -(-max(pixels.shape[:2]) // most))


def _bands(pixels: np.ndarray) -> list[slice]:
    """Rows of a multiple of HATCH, which are drawn at a time, to bound memory."""
    step = HATCH * max(1, SAMPLED // (HATCH * pixels.shape[1]))
    return [slice(top, top + step) for top in range(0, len(pixels), step)]


def _hatch(pixels: np.ndarray, mask: np.ndarray) -> None:
    rows, columns = np.nonzero(mask)
    _mix(pixels, mask, np.array(GRAY), np.where((rows + columns) % HATCH < 2, 0.9, STRONG)[:, None])


def _mix(pixels: np.ndarray, mask: np.ndarray, color: np.ndarray, opacity: Any) -> None:
    """Blend colors, 3 or M×3, with the M pixels of a mask, in place."""
    pixels[mask] = np.rint(pixels[mask] * (1 - opacity) + color * opacity).astype(np.uint8)


def _enlargement(size: tuple[int, int]) -> int:
    """The least factor by which an image is at least LEAST high, unless it gets wider than a panel."""
    height, width = size
    return max(1, min(-(-LEAST // height), max(PANEL, width) // width))


def _enlarged(array: np.ndarray, scale: int) -> np.ndarray:
    return array if scale == 1 else array.repeat(scale, 0).repeat(scale, 1)


def _reduced(image: Image.Image, most: int) -> Image.Image:
    largest = max(image.size)
    if largest <= most:
        return image
    width, height = (max(1, round(side * most / largest)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)


def _fitted(title: str, width: int, draw: ImageDraw.ImageDraw) -> str:
    """As many parts of a title, between commas, as fit."""
    parts = title.split(", ")
    while len(parts) > 1 and draw.textlength(", ".join(parts)) > width:
        parts.pop()
    return ", ".join(parts)
