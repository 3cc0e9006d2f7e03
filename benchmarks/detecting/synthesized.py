"""Anomalies synthesized from normal items, to choose defaults by: real ones are evaluated in the last run only.

Images are uint8 N×H×W, rows float32 N×T.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from isthmus.jobs.anomaly.synthetic_defects import blank, chip, crack, spot

Random = np.random.Generator
Way = Callable[[np.ndarray, Random], np.ndarray]


# -- small pictures of one thing on black --


def turned(x: np.ndarray, random: Random) -> np.ndarray:
    """By a quarter, a half or three quarters."""
    return np.stack([np.rot90(one, random.integers(1, 4)) for one in x])


def mirrored(x: np.ndarray, random: Random) -> np.ndarray:
    return np.stack([one[::-1] if random.random() < 0.5 else one[:, ::-1] for one in x])


def bent(x: np.ndarray, random: Random) -> np.ndarray:
    """Turned by 25° to 60°, stretched and sheared."""
    found = []
    for one in x:
        angle = np.deg2rad(random.uniform(25, 60) * random.choice([-1, 1]))
        long, shear = np.exp(random.uniform(-0.35, 0.35)), random.uniform(-0.3, 0.3)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = turn @ np.array([[long, shear], [0, 1 / long]])
        middle = (np.array(one.shape) - 1) / 2
        moved = ndimage.affine_transform(one.astype(float), matrix, middle - matrix @ middle, order=1)
        found.append(moved.clip(0, 255))
    return np.stack(found).astype(np.uint8)


def patched(x: np.ndarray, random: Random) -> np.ndarray:
    """A rectangle of a quarter to a half of each side comes from anywhere in another picture."""
    made, others = x.copy(), random.permutation(len(x))
    height, width = x.shape[1:]
    for one, other in zip(made, others, strict=True):
        high, wide = int(random.uniform(0.25, 0.5) * height), int(random.uniform(0.25, 0.5) * width)
        top, left = random.integers(0, height - high + 1), random.integers(0, width - wide + 1)
        down, right = random.integers(0, height - high + 1), random.integers(0, width - wide + 1)
        one[top : top + high, left : left + wide] = x[other][down : down + high, right : right + wide]
    return made


def halved(x: np.ndarray, random: Random) -> np.ndarray:
    """The lower or the right half is another picture's upper or left one."""
    made, others = x.copy(), random.permutation(len(x))
    down, right = x.shape[1] // 2, x.shape[2] // 2
    for one, other in zip(made, others, strict=True):
        if random.random() < 0.5:
            one[down:] = x[other, : x.shape[1] - down]
        else:
            one[:, right:] = x[other][:, : x.shape[2] - right]
    return made


def erased(x: np.ndarray, random: Random) -> np.ndarray:
    """A square around a bright pixel is black."""
    made = x.copy()
    for one in made:
        rows, columns = np.nonzero(one > 128)
        if len(rows):
            place, reach = random.integers(len(rows)), int(one.shape[0] * random.uniform(0.12, 0.2))
            row, column = rows[place], columns[place]
            one[max(0, row - reach) : row + reach, max(0, column - reach) : column + reach] = 0
    return made


def stroked(x: np.ndarray, random: Random) -> np.ndarray:
    """A line that nobody wrote."""
    made = []
    for one in x:
        image = Image.fromarray(one)
        ends = [tuple(int(v) for v in random.uniform(3, min(one.shape) - 3, 2)) for _ in range(2)]
        ImageDraw.Draw(image).line(ends, fill=int(random.uniform(150, 255)), width=int(random.integers(2, 4)))
        made.append(np.asarray(image))
    return np.stack(made)


def blended(x: np.ndarray, random: Random) -> np.ndarray:
    """Half of it another picture, shifted."""
    other = np.roll(x[random.permutation(len(x))], random.integers(-6, 7, 2), (1, 2))
    return ((x.astype(np.uint16) + other) // 2).astype(np.uint8)


SMALL: dict[str, Way] = {
    way.__name__: way for way in (turned, mirrored, bent, patched, halved, erased, stroked, blended)
}


# -- rows, such as heart beats --


def shifted(x: np.ndarray, random: Random) -> np.ndarray:
    """Too early or too late."""
    ways = random.integers(8, 30, len(x)) * random.choice([-1, 1], len(x))
    return np.stack([np.roll(one, way) for one, way in zip(x, ways, strict=True)])


def stuck(x: np.ndarray, random: Random) -> np.ndarray:
    """For a while nothing moves."""
    made = x.copy()
    for one in made:
        begin = random.integers(0, len(one) - 40)
        one[begin : begin + random.integers(15, 40)] = one[begin]
    return made


def bumped(x: np.ndarray, random: Random) -> np.ndarray:
    """A wave that is one too many."""
    time = np.arange(x.shape[1])
    middle, width = random.uniform(10, x.shape[1] - 10, (len(x), 1)), random.uniform(3, 10, (len(x), 1))
    height = random.uniform(0.8, 2, (len(x), 1)) * random.choice([-1, 1], (len(x), 1))
    return (x + height * np.exp(-0.5 * ((time - middle) / width) ** 2)).astype(np.float32)


def warped(x: np.ndarray, random: Random) -> np.ndarray:
    """Too fast or too slow."""
    time, pace = np.arange(x.shape[1]), np.exp(random.uniform(0.15, 0.4, len(x)) * random.choice([-1, 1], len(x)))
    return np.stack([np.interp(time * k % len(one), time, one) for one, k in zip(x, pace, strict=True)]).astype(
        np.float32
    )


def damped(x: np.ndarray, random: Random) -> np.ndarray:
    """For a while too weak or too strong."""
    made = x.copy()
    for one in made:
        begin = random.integers(0, len(one) - 50)
        one[begin : begin + 50] *= random.choice([0.3, 1.8])
    return made


def spliced(x: np.ndarray, random: Random) -> np.ndarray:
    """The end of another, and then the beginning."""
    others, cuts = x[random.permutation(len(x))], random.integers(20, x.shape[1] - 20, len(x))
    return np.stack([np.r_[other[cut:], one[:cut]] for one, other, cut in zip(x, others, cuts, strict=True)])


ROWS: dict[str, Way] = {way.__name__: way for way in (shifted, stuck, bumped, warped, damped, spliced)}


# -- large gray ones of a surface --


def on_tiles(x: np.ndarray, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """kind -> (N×H×W uint8, masks): dark spots, cracks, rectangles of another tile, uneven tone, chipped edges."""
    random = np.random.default_rng(seed)
    kinds: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for number, one in enumerate(x):
        kinds.setdefault("spot", []).append(darker(one, spot(one.shape, random), 1.0, random.uniform(0.25, 0.6)))
        kinds.setdefault("crack", []).append(darker(one, crack(one.shape, random), 0.7, random.uniform(0.2, 0.5)))
        kinds.setdefault("cut", []).append(cut(one, x[(number + len(x) // 2) % len(x)], random))
        tone = 1 - np.exp(random.choice([-1, 1]) * random.uniform(0.1, 0.4))
        kinds.setdefault("uneven", []).append(darker(one, area(one, random), random.uniform(0.5, 4), tone))
        kinds.setdefault("chip", []).append(darker(one, chip(one.shape, random), 0.8, random.uniform(0.3, 0.9)))
    return {
        kind: (np.stack([made for made, _ in pairs]), np.stack([mask for _, mask in pairs]))
        for kind, pairs in kinds.items()
    }


def darker(one: np.ndarray, shape: Image.Image, soft: float, share: float) -> tuple[np.ndarray, np.ndarray]:
    """By `share` of its tone within a shape whose edge is soft; brighter where the share is negative."""
    mask = np.asarray(shape.filter(ImageFilter.GaussianBlur(soft)), np.float32) / 255
    return (one * (1 - mask * share)).clip(0, 255).astype(np.uint8), mask > 0.3


def area(one: np.ndarray, random: Random) -> Image.Image:
    image, draw = blank(one.shape)
    high, wide = random.integers(60, 150, 2)
    top, left = random.integers(0, one.shape[0] - high), random.integers(0, one.shape[1] - wide)
    draw.rectangle([left, top, left + wide, top + high], fill=255)
    return image


def cut(one: np.ndarray, other: np.ndarray, random: Random) -> tuple[np.ndarray, np.ndarray]:
    made, mask = one.copy(), np.zeros(one.shape, bool)
    high, wide = random.integers(10, 60, 2)
    top, left = random.integers(0, one.shape[0] - high), random.integers(0, one.shape[1] - wide)
    down, right = random.integers(0, one.shape[0] - high), random.integers(0, one.shape[1] - wide)
    mask[top : top + high, left : left + wide] = True
    made[mask] = other[down : down + high, right : right + wide].ravel()
    return made, mask
