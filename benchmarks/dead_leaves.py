"""Rendered images for training restoration, free of any license: python benchmarks/dead_leaves.py OUT [COUNT]

Dead leaves (Lee, Mumford and Huang 2001): shapes of every size fall onto one another until the image is covered, so
edges, occlusion and the spectrum are those of photos. Restoration models trained on them are nearly as good as those
trained on photos (Achddou, Gousseau and Ladjal 2021). A leaf is plain, shaded, striped, or has a texture of 1/f noise;
its colors are drawn from a palette of a few hues per image. Seeded by the number of the image.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.color import hsv2rgb
from skimage.draw import ellipse, polygon

from isthmus.files import atomic

SIDE, DRAWN = 384, 2  # pixels of a picture, and how many times as large it is drawn, against jagged edges
SMALLEST, LARGEST = 8, 400  # radius of a leaf, in drawn pixels; their density falls with the third power
TEXTURES = 6  # of 1/f noise a picture; a leaf takes a part of one


def fractal(random: np.random.Generator, side: int, slope: float) -> np.ndarray:
    """Noise whose amplitude falls with frequency^slope; float32, side×side, mean 0, standard deviation 1."""
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    amplitude = np.maximum(np.hypot(fy, fx), 1 / side) ** -slope
    stretch = random.uniform(-1, 1, 2)  # most textures have a direction
    amplitude *= np.exp(-4 * np.abs(stretch[0] * fy + stretch[1] * fx))
    spectrum = amplitude * np.exp(2j * np.pi * random.random(amplitude.shape))
    noise = np.fft.irfft2(spectrum, (side, side))
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def color(random: np.random.Generator, hues: np.ndarray) -> np.ndarray:
    """One color of the palette: float32 of 3, 0 to 1. A photo is seldom very colorful."""
    hue = (random.choice(hues) + random.normal(0, 0.03)) % 1
    return np.asarray(hsv2rgb([hue, random.beta(1.2, 2.5), random.beta(1.4, 1.6)]), np.float32)


def outline(random: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels of one leaf."""
    low, high = float(SMALLEST) ** -2, float(LARGEST) ** -2
    radius = (low - random.random() * (low - high)) ** -0.5
    y, x = random.uniform(-0.1, 1.1, 2) * side
    if random.random() < 0.5:
        return ellipse(y, x, radius * random.uniform(0.3, 1), radius, (side, side), random.uniform(-np.pi, np.pi))
    angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(3, 8)))
    return polygon(y + radius * np.sin(angles), x + radius * np.cos(angles), (side, side))


def picture(number: int, side: int = SIDE) -> np.ndarray:
    """Picture `number` as uint8, side×side×3."""
    random, drawn = np.random.default_rng((number, 2001)), side * DRAWN
    hues = random.random(random.integers(2, 6))
    textures = [fractal(random, drawn, random.uniform(0.6, 1.8)) for _ in range(TEXTURES)]
    canvas = np.tile(color(random, hues), (drawn, drawn, 1))
    free = np.ones((drawn, drawn), bool)
    while free.mean() > 0.002:  # from the front to the back: what is covered stays
        rows, columns = outline(random, drawn)
        seen = free[rows, columns]
        rows, columns = rows[seen], columns[seen]
        if not len(rows):
            continue
        free[rows, columns] = False
        canvas[rows, columns] = leaf(random, hues, textures, rows, columns)
    light = canvas.clip(0, 1).reshape(side, DRAWN, side, DRAWN, 3).mean((1, 3))
    return np.rint(255 * light).astype(np.uint8)


def leaf(
    random: np.random.Generator, hues: np.ndarray, textures: list[np.ndarray], rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """The colors of a leaf's pixels: float32, N×3."""
    first, kind = color(random, hues), random.random()
    if kind < 0.25:
        return np.tile(first, (len(rows), 1))
    angle = random.uniform(0, 2 * np.pi)
    along = rows * np.sin(angle) + columns * np.cos(angle)
    if kind < 0.45:  # shaded
        share = (along - along.min()) / max(1.0, np.ptp(along))
    elif kind < 0.6:  # striped
        share = 0.5 + 0.5 * np.sin(2 * np.pi * along / random.uniform(5, 60) + random.uniform(0, 6))
    else:
        share = 0.5 + random.uniform(0.1, 0.5) * textures[random.integers(len(textures))][rows, columns]
    second = color(random, hues) if random.random() < 0.5 else first * random.uniform(0.3, 1.6)
    return first + share[:, None].astype(np.float32) * (second - first)


def rendered(folder: Path, count: int) -> Path:
    """`count` pictures as PNG files in `folder`; those that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"leaves-{number:04d}.png" for number in range(count)]
    missing = [number for number in range(count) if not paths[number].exists()]
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        for number, pixels in zip(missing, processes.map(picture, missing), strict=True):
            with atomic(paths[number]) as path:
                Image.fromarray(pixels).save(path, "PNG")
    return folder


if __name__ == "__main__":
    rendered(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
