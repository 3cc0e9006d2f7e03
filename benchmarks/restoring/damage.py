"""The degradations of benchmarks/restoration.py: drawn from numpy's generator by (kind, image, strength), so that all
methods get the same images, and independent of the corruptions in isthmus.

Images are C×H×W: uint8 as stored, or float64 in [0, 1].
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

HOLES = ("50 %", "80 %", "text", "boxes")
TEXT = "the quick brown fox jumps over the lazy dog 0123456789 PACK MY BOX WITH FIVE DOZEN LIQUOR JUGS "
COLORS = ("own", "gray", "any")


def seeded(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


def noisy(picture: np.ndarray, sigma: float, *key: int) -> np.ndarray:
    """picture in [0, 1] + Gaussian noise of σ (of 255), not clipped."""
    return picture + sigma / 255 * seeded(1, *key).normal(size=picture.shape)


def photographed(picture: np.ndarray, photons: float, read: float, *key: int) -> np.ndarray:
    """Poisson-Gaussian: white is `photons` on average, the reading adds noise of σ `read` (of 1); not clipped."""
    random = seeded(2, *key)
    return random.poisson(picture * photons) / photons + read * random.normal(size=picture.shape)


def developed(picture: np.ndarray, photons: float, read: float, *key: int) -> np.ndarray:
    """3×H×W as a camera develops it: photons counted behind a Bayer mosaic (RGGB) in linear light, Gaussian noise of σ
    `read` of the reading, white balance, bilinear demosaicing of the noise, the tone curve; 8 bits."""
    random, gains = seeded(4, *key), np.array([1.9, 1.0, 1.6]).reshape(3, 1, 1)
    light = picture**2.2
    sensor = light / gains
    noise = gains * (random.poisson(sensor * photons) / photons + read * random.normal(size=sensor.shape) - sensor)
    seen = np.zeros(picture.shape, bool)
    seen[0, ::2, ::2] = seen[1, ::2, 1::2] = seen[1, 1::2, ::2] = seen[2, 1::2, 1::2] = True
    wide = np.pad(noise * seen, ((0, 0), (1, 1), (1, 1)), mode="reflect")
    height, width = picture.shape[1:]
    weights = (1 - abs(np.arange(-1, 2)) / 2)[:, None] * (1 - abs(np.arange(-1, 2)) / 2)
    kernels = np.stack([weights, np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4, weights])
    grain = sum(
        kernels[:, down, right, None, None] * wide[:, down : down + height, right : right + width]
        for down in range(3)
        for right in range(3)
    )
    return np.rint(255 * (light + grain).clip(0, 1) ** (1 / 2.2)) / 255


def as_jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """Written by Pillow with its defaults, color at half the resolution, and read again."""
    pixels, file = np.rint(255 * picture).astype(np.uint8).transpose(1, 2, 0), io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).reshape(pixels.shape).transpose(2, 0, 1) / 255


def hole(kind: str, height: int, width: int, *key: int) -> np.ndarray:
    """1×H×W of bool, true where the picture is lost: 50 % or 80 % of the pixels, lines of text, boxes of 16-32 px."""
    random = seeded(3, *key)
    if kind.endswith("%"):
        return random.random((1, height, width)) < float(kind[:-1]) / 100
    if kind == "text":
        return _text(random, height, width)[None]
    lost = np.zeros((1, height, width), bool)
    while lost.mean() < 0.1:  # a tenth of the picture, whatever its size
        high, wide = random.integers(16, 33, 2)
        top, left = random.integers(0, height - high + 1), random.integers(0, width - wide + 1)
        lost[:, top : top + high, left : left + wide] = True
    return lost


def _text(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Lines of text of one size all over, in the typeface that comes with Pillow; no antialiasing."""
    page = Image.new("1", (width, height))
    pen = ImageDraw.Draw(page)
    size = int(random.integers(14, 29))
    face = ImageFont.load_default(size)
    for top in range(0, height, 2 * size):
        start = int(random.integers(len(TEXT)))
        line = (TEXT[start:] + TEXT * (2 + width // (len(TEXT) * size // 3)))[: 4 * width // size]
        pen.text((-int(random.integers(size)), top), line, fill=1, font=face)
    return np.asarray(page.convert("L")) > 0  # asked for bool, Pillow gives bytes of 255


def logos(folder: Path) -> list[Image.Image]:
    """The 24 logos of 96 that nothing is trained on: the last by file name."""
    return [Image.open(path).convert("RGBA") for path in sorted(folder.glob("*.png"))[72:]]


def watermarked(picture: np.ndarray, logo: Image.Image, *key: int) -> tuple[np.ndarray, np.ndarray]:
    """picture 3×H×W uint8 with a logo laid over it -> (3×H×W uint8, mask 1×H×W of bool: where it may differ).

    Opacity .2-.9; .15-.5 of the shorter side; turned by up to 45°; in its own colors, in gray, or from any one
    color (where it is black) to white; one in four is tiled over the whole picture.
    """
    random = seeded(4, *key)
    height, width = picture.shape[1:]
    opacity, share, angle = random.uniform(0.2, 0.9), random.uniform(0.15, 0.5), random.uniform(-45, 45)
    color, flat, tiled = COLORS[random.integers(3)], random.integers(0, 256, 3), random.random() < 0.25
    side = int(share * min(height, width))
    turned = logo.resize((side, side), Image.Resampling.LANCZOS)
    stamp = np.asarray(turned.rotate(angle, Image.Resampling.BICUBIC, expand=True)).transpose(2, 0, 1) / 255
    if color != "own":
        light = stamp[:3].mean(0)
        stamp[:3] = light if color == "gray" else light + (1 - light) * flat[:, None, None] / 255
    high, wide = stamp.shape[1:]
    stamp = stamp[:, :height, :width]  # turned by 45° it may be a little higher than the picture
    if tiled:
        gap = int(side * random.uniform(0.2, 1.0))
        spaced = np.pad(stamp, ((0, 0), (0, gap), (0, gap)))
        layer = np.tile(spaced, (1, -(-height // high) + 1, -(-width // wide) + 1))
        top, left = random.integers(0, spaced.shape[1]), random.integers(0, spaced.shape[2])
        layer = layer[:, top : top + height, left : left + width]
    else:
        layer = np.zeros((4, height, width))
        top = random.integers(0, height - stamp.shape[1] + 1)
        left = random.integers(0, width - stamp.shape[2] + 1)
        layer[:, top : top + stamp.shape[1], left : left + stamp.shape[2]] = stamp
    alpha = opacity * layer[3:]
    marked = np.rint((1 - alpha) * picture + alpha * 255 * layer[:3]).astype(np.uint8)
    return marked, 255 * alpha >= 0.5  # what is fainter changes no pixel of 8 bits
