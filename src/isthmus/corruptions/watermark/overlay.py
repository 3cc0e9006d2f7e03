"""The corruption Watermark: a semi-transparent logo, word or shape over an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from isthmus.corruptions.base import (
    Corruption,
    Range,
    check_images,
    noise_of,
    per_item,
    seeds,
    span,
    to_bytes,
    uncompiled,
    within,
)
from isthmus.corruptions.watermark import opaque_objects, stamps
from isthmus.media.color_spaces import LUMA
from isthmus.registry import register
from isthmus.types import Context, Sample


@register
class Watermark(Corruption):
    """x̃ = (1 − a) · x + a · stamp, rounded to 8 bits where a > 0; where a = 0 it is x to the bit.

    a, N×1×H×W, is the alpha of the stamp times an opacity drawn per item; it is condition["mask"], and the opacity
    condition["opacity"]. With `tell`, a is also the last channel of the target, N×(C+1)×H×W, for a network that
    predicts it. A stamp is rotated (one in two), scaled, cut off by the edge, or tiled over the image (one in three).

    overlay: an image with transparency, a folder of such images, or several of either; None for words and shapes only.
    A single image is used always and keeps its colors. The files are needed for training only; BadInput names a missing
    one. size: √(width · height) of the stamp in pixels, (low, high), log-uniform: so small that a crop contains most of
    its outline, by which a mark is recognized. ease: the share of a training over which marks reach their final
    faintness and size; they start strong and small, because the network learns nothing for long otherwise.
    unmarked: share of images without a watermark. objects: share of images, marked or not, with opaque objects that
    resemble watermarks and are in the target too (see opaque_objects.py).
    """

    def __init__(
        self,
        overlay: str | Sequence[str] | None = None,
        opacity: Range = (0.2, 0.9),
        size: Range = (32, 192),
        tell: bool = False,
        ease: float = 0.0,
        unmarked: float = 0.0,
        objects: float = 0.0,
    ) -> None:
        super().__init__()
        for name, share in (("unmarked", unmarked), ("objects", objects)):
            span(name, share, most=1)
        self.overlay = (overlay,) if isinstance(overlay, str) else tuple(overlay or ())
        self.opacity, self.size, self.tell = span("opacity", opacity, most=1), span("size", size, least=1), tell
        self.ease, self.follows_progress = ease, ease > 0
        self.unmarked, self.objects = unmarked, objects

    @staticmethod
    def read(text: str) -> str:
        return text

    @uncompiled
    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = check_images(sample.x, "a watermark"), noise_of(ctx)
        files = stamps.overlay_files(self.overlay)
        easy = max(0.0, 1 - ctx.progress / self.ease) if self.ease else 0.0
        (faint, strong), (small, large) = self.opacity, self.size
        opacity = within((faint + 0.7 * easy * (strong - faint), strong), noise.uniform())
        size = (small, large * (small / large) ** (easy / 2))
        layers = np.zeros((len(x), *x.shape[2:], 4), np.uint8)
        clean = x.clone() if self.objects else x
        for number, (layer, seed) in enumerate(zip(layers, seeds(noise), strict=True)):
            random = np.random.default_rng(seed)
            if not self.unmarked or random.random() >= self.unmarked:
                layer[...] = place_stamp(stamps.stamp(files, random), layer.shape[0], layer.shape[1], size, random)
            if self.objects and random.random() < self.objects:
                clean[number] = self._with_objects(x[number], files, random)
        layer = to_tensor(layers, x)
        color, a = layer[:, :-1], layer[:, -1:] * per_item(opacity, x)
        marked = torch.where(a > 0, to_bytes((1 - a) * clean + a * color), clean)
        target = torch.where(clean != x, clean, sample.target) if self.objects else sample.target
        target = torch.cat([target, a], 1) if self.tell else target
        condition = {**sample.condition, "mask": a, "opacity": opacity}
        return sample.replace(x=marked, target=target, condition=condition)

    def _with_objects(self, x: torch.Tensor, files: tuple[Path, ...], random: np.random.Generator) -> torch.Tensor:
        """C×H×W with 1 to 3 opaque objects, rounded to 8 bits."""
        height, width = x.shape[1:]
        for _ in range(int(random.integers(1, opaque_objects.MOST + 1))):
            size = (16.0, max(16.0, 0.9 * min(height, width)))
            layer = place_stamp(opaque_objects.object_stamp(files, random), height, width, size, random)
            layer = np.array(opaque_objects.random_blur(layer, random))
            x = opaque_objects.blend_textured(x, to_tensor(layer[None], x)[0], random)
        return to_bytes(x)


def to_tensor(layers: np.ndarray, x: torch.Tensor) -> torch.Tensor:
    """N×H×W×4 uint8 -> N×(C+1)×H×W in [0, 1], alpha last, with the channels of an image C×H×W or N×C×H×W."""
    layer = torch.from_numpy(layers).to(x.device).movedim(-1, 1).to(x.dtype) / 255
    if x.shape[-3] == 3:
        return layer
    gray = (layer[:, :3] * layer.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return torch.cat([gray, layer[:, 3:]], 1)


def place_stamp(
    stamp: stamps.Stamp, height: int, width: int, size: tuple[float, float], random: np.random.Generator
) -> np.ndarray:
    """The stamp, randomly scaled, rotated and placed or tiled, on an empty image: H×W×4 uint8, alpha last."""
    image, color = stamp
    low, high = size
    scale = low * (high / low) ** random.random() / math.sqrt(image.width * image.height)
    angle = random.uniform(-math.pi, math.pi) if random.random() < 0.5 else 0.0
    if (less := int(1 / scale)) > 1:  # bilinear sampling would alias, so a far larger stamp is averaged first
        image, scale = image.reduce(less), scale * less
    middle = np.array([width, height]) / 2
    if random.random() < 1 / 3:
        image = tiled(image, math.hypot(height, width) / scale, random)
    else:  # its center in the image, or beyond if the stamp is larger, so that any part of it may be visible
        middle += (random.random(2) - 0.5) * np.maximum(2 * middle, 0.8 * scale * np.array(image.size))
    # The map from a pixel of the image to one of the stamp.
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    right = image.width / 2 - cos * middle[0] - sin * middle[1]
    down = image.height / 2 + sin * middle[0] - cos * middle[1]
    affine: Any = Image.Transform.AFFINE
    back = (cos, sin, right, -sin, cos, down)
    layer = np.asarray(image.transform((width, height), affine, back, Image.Resampling.BILINEAR))
    if color is None:
        return layer
    return np.dstack([np.broadcast_to(np.array(color, np.uint8), (height, width, 3)), layer])


def tiled(image: Image.Image, reach: float, random: np.random.Generator) -> Image.Image:
    """The stamp repeated over at least reach×reach, with gaps of a tenth to all of its size and a random offset."""
    pixels, gap = np.asarray(image), random.uniform(0.1, 1.0)
    high, wide = (round(side * (1 + gap)) for side in pixels.shape[:2])
    cell = np.zeros((high, wide, *pixels.shape[2:]), np.uint8)
    cell[: image.height, : image.width] = pixels
    cell = np.roll(cell, random.integers(0, (high, wide)), (0, 1))
    times = (math.ceil(reach / high), math.ceil(reach / wide), *[1] * (pixels.ndim - 2))
    return Image.fromarray(np.tile(cell, times))
