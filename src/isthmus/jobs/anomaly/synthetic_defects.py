"""Synthesized defects for the self-check: drawn shapes, unlike those of corruptions/synthetic_defects.py.

Shapes are masks (PIL, mode L) of the size of an image; lengths are for an image of 256 pixels, and scale with it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Random = np.random.Generator
Size = tuple[int, int]  # height, width
Point = tuple[float, float]  # x, y
Pictures = np.ndarray  # N×C×H×W in [0, 1]
SIDE = 256


def blank(size: Size) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("L", size[::-1])
    return image, ImageDraw.Draw(image)


def anywhere(size: Size, random: Random) -> np.ndarray:
    """x, y of a random point that is not next to the border."""
    return random.uniform(20 * min(size) / SIDE, min(size) * (1 - 20 / SIDE), 2)


def spot(size: Size, random: Random, center: Point | None = None) -> Image.Image:
    (image, draw), unit = blank(size), min(size) / SIDE
    x, y = anywhere(size, random) if center is None else center
    wide, high = np.maximum(random.uniform(2, 7, 2) * unit, 0.8)
    draw.ellipse([x - wide, y - high, x + wide, y + high], fill=255)
    return image


def crack(size: Size, random: Random, center: Point | None = None) -> Image.Image:
    (image, draw), unit = blank(size), min(size) / SIDE
    point = anywhere(size, random) if center is None else np.array(center)
    step, points = random.normal(0, 1, 2), [tuple(point)]
    for _ in range(random.integers(3, 10)):
        step = 0.7 * step + random.normal(0, 4, 2)
        point = point + step * unit
        points.append(tuple(point))
    draw.line(points, fill=255, width=max(1, round(int(random.integers(1, 4)) * unit)))
    return image


def chip(size: Size, random: Random, center: Point | None = None) -> Image.Image:
    """A jagged piece, at the border of the image unless a center is given."""
    (image, draw), unit = blank(size), min(size) / SIDE
    height, width = size
    if center is None:
        across, down = random.uniform(0, width), random.uniform(0, height)
        center = [(0, down), (width, down), (across, 0), (across, height)][random.integers(4)]
    reaches = [(a, max(1.5, random.uniform(4, 22) * unit)) for a in np.arange(0, 6.2, 0.7)]
    draw.polygon([(center[0] + r * np.cos(a), center[1] + r * np.sin(a)) for a, r in reaches], fill=255)
    return image


def soft(shape: Image.Image, sigma: float) -> np.ndarray:
    """H×W in [0, 1]. sigma: blur of the edge, in pixels."""
    return np.asarray(shape.filter(ImageFilter.GaussianBlur(sigma)), np.float32) / 255


# -- one defect each: x C×H×W, another normal image, the background tone [C], a center --


def stained(x: np.ndarray, other: np.ndarray, ground: np.ndarray, center: Point, random: Random) -> np.ndarray:
    """A spot, darker on bright and brighter on dark surroundings."""
    mask = soft(spot(x.shape[1:], random, center), x.shape[1] / SIDE)
    return toned(x, mask * random.uniform(0.3, 0.7), center)


def scratched(x: np.ndarray, other: np.ndarray, ground: np.ndarray, center: Point, random: Random) -> np.ndarray:
    """A thin line, darker on bright and brighter on dark surroundings."""
    return toned(
        x, soft(crack(x.shape[1:], random, center), 0.7 * x.shape[1] / SIDE) * random.uniform(0.3, 0.7), center
    )


def missing(x: np.ndarray, other: np.ndarray, ground: np.ndarray, center: Point, random: Random) -> np.ndarray:
    """A piece is missing and shows the background."""
    mask = soft(chip(x.shape[1:], random, center), 0.8 * x.shape[1] / SIDE)
    return x + (ground[:, None, None] - x) * mask


def patched(x: np.ndarray, other: np.ndarray, ground: np.ndarray, center: Point, random: Random) -> np.ndarray:
    """A rectangle from a random position of another image."""
    made, (height, width) = x.copy(), x.shape[1:]
    high, wide = (max(2, int(side * random.uniform(0.06, 0.22))) for side in (height, width))
    top, left = (
        int(min(max(0, at - long // 2), side - long))
        for at, long, side in ((center[1], high, height), (center[0], wide, width))
    )
    down, right = random.integers(0, height - high + 1), random.integers(0, width - wide + 1)
    made[:, top : top + high, left : left + wide] = other[:, down : down + high, right : right + wide]
    return made


def toned(x: np.ndarray, mask: np.ndarray, center: Point) -> np.ndarray:
    bright = x[:, int(center[1]), int(center[0])].mean() > 0.5
    return x + ((0.0 if bright else 1.0) - x) * mask


Defect = Callable[[np.ndarray, np.ndarray, np.ndarray, Point, Random], np.ndarray]
DEFECTS: dict[str, Defect] = {"stain": stained, "scratch": scratched, "missing piece": missing, "other piece": patched}


def synthesized(x: Pictures, seed: int = 0, roi: np.ndarray | None = None) -> dict[str, Pictures]:
    """kind -> the images N×C×H×W in [0, 1], each with one defect of that kind.

    The defect lies where the image differs most from its background (the median tone of its border), that is on the
    part. roi: H×W bool, to which defects are confined.
    """
    random, made = np.random.default_rng(seed), {kind: np.empty_like(x) for kind in DEFECTS}
    inside = np.ones(x.shape[2:], bool) if roi is None else roi
    for number, one in enumerate(x):
        border = np.concatenate([one[:, 0], one[:, -1], one[:, :, 0], one[:, :, -1]], 1)
        ground = np.median(border, 1)
        contrast = np.where(inside, np.abs(one - ground[:, None, None]).mean(0), -1.0)
        usual, high = np.quantile(contrast[inside], [0.6, 0.95])
        rows, columns = np.nonzero(inside & (contrast >= max(usual, high / 4)))
        for kind, defect in DEFECTS.items():
            pick = random.integers(len(rows))
            other = x[(number + random.integers(1, max(2, len(x)))) % len(x)]
            new = defect(one, other, ground, (float(columns[pick]), float(rows[pick])), random)
            made[kind][number] = np.where(inside, new.clip(0, 1), one)
    return made
