"""Random masks: hidden pixels; all other values stay unchanged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from isthmus.corruptions.base import (
    Corruption,
    Range,
    check_images,
    noise_of,
    per_item,
    positions,
    seeds,
    span,
    uncompiled,
    within,
)
from isthmus.corruptions.hole_fill import REACH, STRIDE, fill_holes
from isthmus.corruptions.watermark import lettering
from isthmus.errors import BadInput, unknown
from isthmus.registry import register
from isthmus.types import Context, Sample


@register
class Masking(Corruption):
    """Set a share `rate` of the positions to 0, all channels together; condition["mask"] is 1 there."""

    def __init__(self, rate: Range = 0.5) -> None:
        super().__init__()
        self.rate = span("rate", rate, most=1)

    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = sample.x, noise_of(ctx)
        u = noise.uniform(*positions(x))
        mask = (u < per_item(within(self.rate, noise.uniform()), x)).to(x.dtype)
        return sample.replace(x=x * (1 - mask), condition={**sample.condition, "mask": mask})


@register
class Holes(Corruption):
    """x̃ is N×(C+1)×H×W: x with its holes filled smoothly, then the mask, 1 in a hole. The mask is condition["mask"],
    N×1×H×W, and the weight too.

    kinds: one name or several, one of which is drawn per item: "pixels" (independent pixels), "lines" (strokes 1 to 6
    px wide), "text" (lines of text, 10 to 30 px high), "boxes" (of 16 to 32 px, at least one, together 5 to 25 % of the
    image), "cells" (a grid of squares of 4 to 64 px, one of four hidden). share: of "pixels", a number or (low, high).
    """

    extra = 1
    reach, stride = REACH, STRIDE

    def __init__(
        self, kinds: str | Sequence[str] = ("pixels", "lines", "text", "boxes"), share: Range = (0.3, 0.9)
    ) -> None:
        super().__init__()
        self.kinds = [kind.strip() for kind in (kinds.split(",") if isinstance(kinds, str) else kinds)]
        for kind in self.kinds or [""]:
            if kind != "pixels" and kind not in PAINTED:
                raise unknown("kind of hole", kind, ("pixels", *PAINTED))
        self.share = span("share", share, most=1)

    @staticmethod
    def read(text: str) -> str:
        return text

    @uncompiled
    def forward(self, sample: Sample, ctx: Context) -> Sample:
        x, noise = check_images(sample.x, "the corruption holes"), noise_of(ctx)
        kinds = [self.kinds[number] for number in (noise.uniform() * len(self.kinds)).long().tolist()]
        painted = np.zeros((len(x), 1, *x.shape[2:]), bool)
        for item, kind, seed in zip(painted, kinds, seeds(noise), strict=True):
            if kind != "pixels":
                item[0] = paint(kind, x.shape[2], x.shape[3], np.random.default_rng(seed))
        mask = torch.from_numpy(painted).to(x.device)
        if "pixels" in self.kinds:
            share = per_item(within(self.share, noise.uniform()), x)
            here = per_item(torch.tensor([kind == "pixels" for kind in kinds], dtype=torch.bool, device=x.device), x)
            mask = torch.where(here, noise.uniform(1, *x.shape[2:]) < share, mask)
        mask = mask.to(x.dtype)
        # Known pixels are copied to the result, so the loss counts hidden ones only.
        return sample.replace(
            x=hidden(x, mask), weight=sample.weight * mask, condition={**sample.condition, "mask": mask}
        )

    def prepare_input(self, x: Tensor, **side: Tensor) -> Tensor:
        """x with the holes of `mask` (N×1×H×W or 1×1×H×W, above 0.5 in a hole); without a mask, without holes."""
        mask = side.pop("mask", torch.zeros(1, 1, *x.shape[2:]))
        super().prepare_input(x, **side)
        if mask.dim() != 4 or mask.shape[0] not in (1, len(x)) or mask.shape[1:] != (1, *x.shape[2:]):
            sizes = ["×".join(map(str, t.shape)) for t in (mask, x)]
            raise BadInput(f"a mask of {sizes[0]} for images of {sizes[1]}: one channel of the same size is accepted")
        return hidden(x, (mask > 0.5).to(x).expand(len(x), -1, -1, -1))


def hidden(x: Tensor, mask: Tensor) -> Tensor:
    """x, filled smoothly where mask is 1 (values there, also NaN, are ignored), with the mask as last channel."""
    return torch.cat([fill_holes(x, mask), mask], 1)


# -- masks painted with Pillow, item by item --


def paint(kind: str, height: int, width: int, random: np.random.Generator) -> np.ndarray:
    """H×W, true in a hole."""
    image = Image.new("1", (width, height))
    PAINTED[kind](ImageDraw.Draw(image), height, width, random)
    return np.asarray(image)


def lines(draw: Any, height: int, width: int, random: np.random.Generator) -> None:
    """Strokes of 1 to 5 steps of about 32 px; some start outside, so a crop has as many per area as a large image."""
    size = np.array([width, height]) + 96
    for _ in range(round(random.uniform(2, 8) * size.prod() / 96**2)):
        steps = random.normal(0, 32, (random.integers(2, 7), 2))
        steps[0] = random.random(2) * size - 48
        draw.line([*map(tuple, steps.cumsum(0))], fill=1, width=int(random.integers(1, 7)), joint="curve")


def text(draw: Any, height: int, width: int, random: np.random.Generator) -> None:
    """Lines of text in one font size over the full height."""
    size = int(random.integers(10, 31))
    apart = size * random.uniform(1.1, 2.0)
    for y in np.arange(-random.random() * apart, height, apart):
        line = lettering.words(random, letters=2 * width // size + 8)
        draw.text((-random.random() * 3 * size, y), line, fill=1, font=lettering.font(size))


def boxes(draw: Any, height: int, width: int, random: np.random.Generator) -> None:
    """Random boxes; in a small image, no wider or higher than half of it."""
    for _ in range(max(1, round(random.uniform(0.05, 0.25) * height * width / 24**2))):
        high, wide = (min(int(random.integers(16, 33)), max(1, side // 2)) for side in (height, width))
        top, left = int(random.integers(height - high + 1)), int(random.integers(width - wide + 1))
        draw.rectangle((left, top, left + wide - 1, top + high - 1), fill=1)


def cells(draw: Any, height: int, width: int, random: np.random.Generator) -> None:
    """A grid of random offset; in a small image, cells are no wider or higher than a fourth of it."""
    side = round(math.exp(random.uniform(math.log(4), math.log(max(4, min(64, height // 4, width // 4))))))
    down, right = random.integers(-2 * side, 1, 2)
    for top in range(int(down), height, 2 * side):
        for left in range(int(right), width, 2 * side):
            draw.rectangle((left, top, left + side - 1, top + side - 1), fill=1)


Paint = Callable[[Any, int, int, np.random.Generator], None]
PAINTED: dict[str, Paint] = {"lines": lines, "text": text, "boxes": boxes, "cells": cells}
