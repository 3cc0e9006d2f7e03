"""Whether isthmus denoise leaves clean images unchanged, and still removes noise."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from statistics import fmean
from typing import Any

import numpy as np
from PIL import Image

from restoring import damage
from restoring.comparison import Comparison, files, in_bytes, psnr, read
from restoring.harmless import CAP, held_back
from restoring.real import chosen as made

Case = Callable[[np.ndarray, int], np.ndarray]
SEED = 11  # of these damages, apart from those of other parts
CASES: dict[str, Case] = {
    "clean": lambda x, number: x,
    "JPEG 95": lambda x, number: damage.as_jpeg(x, 95),
    "white, σ 3": lambda x, number: in_bytes(damage.noisy(x, 3, number, SEED)),
    "white, σ 10": lambda x, number: in_bytes(damage.noisy(x, 10, number, SEED)),
    "the same in all channels, σ 10": lambda x, number: in_bytes(x + damage.noisy(0 * x[:1], 10, number, SEED)),
    "white, σ 10, JPEG 95": lambda x, number: damage.as_jpeg(in_bytes(damage.noisy(x, 10, number, SEED)), 95),
    "camera, bright": lambda x, number: damage.developed(x, 2000, 0.003, number, SEED),
    "camera, indoors": lambda x, number: damage.developed(x, 400, 0.008, number, SEED),
    "camera, indoors, JPEG 90": lambda x, number: damage.as_jpeg(damage.developed(x, 400, 0.008, number, SEED), 90),
    "JPEG 50": lambda x, number: damage.as_jpeg(x, 50),
    "dithered, 1 bit": lambda x, number: _picture(_image(x).convert("1").convert("L")),
    "dithered, web palette": lambda x, number: _picture(
        _image(x).convert("P", palette=Image.Palette.WEB).convert("RGB")
    ),
    "screen of dots": lambda x, number: _screened(x),
}
DITHERED = ("dithered, 1 bit", "dithered, web palette", "screen of dots")


def alone(comparison: Comparison) -> None:
    """On training pictures that no shipped model has learned from; and Kodak's clean ones."""
    began = time.perf_counter()
    truths = comparison.few([in_bytes(x / 255) for x, _ in held_back()])
    for case, damaged in CASES.items():
        _add(comparison, "held back", case, [(damaged(x, number), x) for number, x in enumerate(truths)])
    _add(comparison, "kodak24", "clean", [(x, x) for x in map(read, comparison.few(files("kodak24")))])
    comparison.end(
        "isthmus denoise without --model on the last 40 of bsd400_color and the last 2 of photos_cc (shrunk to 512 "
        "pixels of the shorter side); touched: share of the pictures in which a pixel changes; PSNR on RGB against the "
        f"clean picture, mean, {CAP:g} dB where they are equal; of the dithered ones against the dithered picture",
        time.perf_counter() - began,
    )


def _add(comparison: Comparison, pictures: str, case: str, pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    before, after, touched, each = [], [], [], list[dict[str, Any]]()
    for x, truth in pairs:
        y = made(x, each)
        touched.append(not np.array_equal(y, x))
        beside = truth if truth.shape == x.shape and case not in DITHERED else x
        for values, one in ((before, x), (after, y)):
            values.append(min(CAP, psnr([one], [beside])))
    comparison.add(
        "chosen",
        pictures=pictures,
        case=case,
        touched=fmean(touched),
        psnr_before=fmean(before),
        psnr=fmean(after),
        worst=min(b - a for a, b in zip(before, after, strict=True)),
        choices=dict(Counter(one["model"] or "none" for one in each)),
    )


def _image(x: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(255 * x).astype(np.uint8).transpose(1, 2, 0))


def _picture(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image) / 255
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _screened(x: np.ndarray) -> np.ndarray:
    """Dots every 6 pixels at 15°, of a picture twice as large, shrunk to the size: 1×H×W."""
    gray = np.asarray(_image(x).convert("L").resize((2 * x.shape[2], 2 * x.shape[1]))) / 255
    rows, columns = np.mgrid[: gray.shape[0], : gray.shape[1]] * (2 * np.pi / 6)
    u, v = (columns * np.cos(a) + rows * np.sin(a) for a in (np.pi / 12, np.pi / 12 + np.pi / 2))
    dots = Image.fromarray((gray > (np.sin(u) * np.sin(v) + 1) / 2).astype(np.uint8) * np.uint8(255))
    return _picture(dots.resize((x.shape[2], x.shape[1]), Image.Resampling.BICUBIC))
