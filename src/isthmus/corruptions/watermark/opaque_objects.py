"""Opaque objects that resemble watermarks: coins, eyes, print, labels, patches of texture.

They are drawn into the clean images too, so that a watermark network learns to leave them unchanged.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from isthmus.corruptions.watermark import lettering, stamps

MOST = 3  # objects a picture
SIDE = 128  # pixels of a disc before it is scaled


def object_stamp(files: tuple[Path, ...], random: np.random.Generator) -> stamps.Stamp:
    """A disc of rings (in half of the cases), a word, a filled shape, or one of the files in its own colors."""
    kind = random.random()
    if kind < 0.5:
        return disc(random), None
    if kind < 0.75:
        return stamps.word(random)
    if kind < 0.9 or not files:
        return stamps.shape(random, filled=0.7), stamps.random_color(random)
    logo = stamps.logo(files[int(random.integers(len(files)))]).copy()
    logo.putalpha(logo.getchannel("A").point([0] * 128 + [255] * 128))  # a transparent one would be a watermark
    return logo, None


def disc(random: np.random.Generator) -> Image.Image:
    """An ellipse of 1 to 4 concentric rings, like an eye, coin or button, half of them with embossed text. RGBA."""
    outer = np.array(stamps.random_color(random), float)
    image = Image.new("RGBA", (SIDE, SIDE), (*outer.astype(int).tolist(), 0))
    draw, low = ImageDraw.Draw(image), np.array([1.0, 1.0])
    high = np.array([SIDE - 2.0, (SIDE - 2) * random.uniform(0.6, 1)])
    for _ in range(int(random.integers(1, 5))):
        draw.ellipse((*low, *high), (*outer.astype(int).tolist(), 255))
        inset = (high - low) * random.uniform(0.04, 0.3)
        low, high = low + inset, high - inset
        outer = (outer + random.normal(0, 60, 3)).clip(0, 255)
    if random.random() < 0.5:
        letters, size = lettering.words(random, int(random.integers(1, 6))), int(random.integers(16, 64))
        lit, shade = (tuple((outer + step).clip(0, 255).astype(int).tolist()) for step in (50, -50))
        top = (SIDE / 2, (1 + high[1] + low[1]) / 2)
        draw.text((top[0] - 1, top[1] - 1), letters, (*lit, 255), lettering.font(size), anchor="mm")
        draw.text(top, letters, (*shade, 255), lettering.font(size), anchor="mm")
    return image


def random_blur(layer: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """H×W×4 uint8, blurred a little in half of the cases, as by a lens."""
    if random.random() < 0.5:
        return layer
    return np.asarray(Image.fromarray(layer).filter(ImageFilter.GaussianBlur(random.uniform(0.3, 2))))


def blend_textured(x: Tensor, layer: Tensor, random: np.random.Generator) -> Tensor:
    """The image C×H×W with an object C+1×H×W over it, whose surface has shading, grain and texture.

    The texture is the image itself, shifted and with another contrast.
    """
    _, height, width = x.shape
    color, a = layer[:-1], layer[-1:]
    coarse = torch.from_numpy(random.normal(1, random.uniform(0, 0.4), (1, 1, 3, 3))).to(x)
    light = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)[0].clamp(0.2, 2)
    shift = tuple(int(step) for step in random.integers(0, (height, width)))
    elsewhere = x.flip(-1).roll(shift, (1, 2))
    share = random.choice([0.0, random.uniform(0, 0.5), 1.0], p=[0.4, 0.4, 0.2])
    texture = random.uniform(0.3, 1.3) * (elsewhere - elsewhere.mean()) + random.uniform(0, 1)
    grain = torch.from_numpy(random.normal(0, random.uniform(0, 0.05), (1, height, width))).to(x)
    surface = ((1 - share) * color + share * texture) * light + grain
    return (1 - a) * x + a * surface.clamp(0, 1)
