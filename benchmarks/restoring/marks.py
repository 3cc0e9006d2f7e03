"""Marks as agencies lay them over pictures, drawn apart from the corruption that models learn from."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from restoring.damage import seeded

KINDS = ("text", "logo", "tiled")
WORDS = ("© 2024 Jane Doe", "SAMPLE", "PROOF", "example.com", "Preview", "Jane Doe Photography", "DO NOT COPY", "draft")
FACES = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSans-Oblique.ttf")
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # not the typeface that is learned from
PAINTS = ((255, 255, 255), (255, 255, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 30, 30))


def marked(kind: str, picture: np.ndarray, logos: list[Image.Image], *key: int) -> tuple[np.ndarray, np.ndarray]:
    """picture 3×H×W uint8 with a mark -> (3×H×W uint8, mask 1×H×W of bool: where it may differ).

    text: one line, its letters 4 to 12 % of the shorter side high, in a corner, the middle or across, opacity .3 to .8.
    logo: 15 to 40 % of the shorter side, upright, in its own colors or white, opacity .3 to .9. tiled: a word at 30°
    all over the picture, opacity .2 to .5.
    """
    random = seeded(5, KINDS.index(kind), *key)
    height, width = picture.shape[1:]
    low, high = {"text": (0.3, 0.8), "logo": (0.3, 0.9), "tiled": (0.2, 0.5)}[kind]
    layer = Image.new("RGBA", (width, height))
    if kind == "logo":
        side = int(random.uniform(0.15, 0.4) * min(height, width))
        stamp = logos[random.integers(len(logos))].resize((side, side), Image.Resampling.LANCZOS)
        if random.random() < 0.5:
            white = Image.new("RGBA", stamp.size, "white")
            white.putalpha(stamp.getchannel("A"))
            stamp = white
        layer.paste(stamp, _place(random, layer.size, stamp.size))
    else:
        stamp = _line(random, max(8, int(random.uniform(0.04, 0.12) * min(height, width))))
        if kind == "tiled":
            layer = _tiled(stamp, layer.size, random)
        else:
            if random.random() < 1 / 3:
                stamp = stamp.rotate(random.uniform(15, 45), Image.Resampling.BICUBIC, expand=True)
            layer.paste(stamp, _place(random, layer.size, stamp.size))
    rgba = np.asarray(layer, np.float64).transpose(2, 0, 1) / 255
    alpha = random.uniform(low, high) * rgba[3:]
    result = np.rint((1 - alpha) * picture + alpha * 255 * rgba[:3]).astype(np.uint8)
    return result, 255 * alpha >= 0.5


def _line(random: np.random.Generator, size: int) -> Image.Image:
    words, face = (
        WORDS[random.integers(len(WORDS))],
        ImageFont.truetype(FONTS / FACES[random.integers(len(FACES))], size),
    )
    left, top, right, bottom = (int(side) for side in face.getbbox(words))
    paint = PAINTS[random.integers(len(PAINTS))]
    image = Image.new("RGBA", (right - left, bottom - top), (*paint, 0))
    ImageDraw.Draw(image).text((-left, -top), words, (*paint, 255), face)
    return image


def _place(random: np.random.Generator, room: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Top left of the middle (one in three) or a corner, a fortieth of the picture from the edge."""
    free = [whole - part for whole, part in zip(room, size, strict=True)]
    if random.random() < 1 / 3:
        return free[0] // 2, free[1] // 2
    edge = min(room) // 40
    right, down = random.random(2) < 0.5
    return (free[0] - edge if right else edge), (free[1] - edge if down else edge)


def _tiled(stamp: Image.Image, room: tuple[int, int], random: np.random.Generator) -> Image.Image:
    gap = int(random.uniform(0.3, 1.2) * stamp.height * 3)
    reach = int(np.hypot(*room))
    plane = Image.new("RGBA", (reach, reach), (*stamp.getpixel((0, 0))[:3], 0))  # type: ignore[index]
    for row, top in enumerate(range(0, reach, stamp.height + gap)):
        for left in range(-(row % 2) * stamp.width // 2, reach, stamp.width + gap):
            plane.paste(stamp, (left, top))
    turned = plane.rotate(30, Image.Resampling.BICUBIC)
    left, top = (reach - room[0]) // 2, (reach - room[1]) // 2
    return turned.crop((left, top, left + room[0], top + room[1]))
