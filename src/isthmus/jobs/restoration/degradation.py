"""Estimates of the damage in one picture: the level and correlation of its noise, and its JPEG quality.

Both look at blocks of 8×8 in the cosine basis. Noise is everywhere, texture is not: so noise is measured where the
low frequencies are weakest, on the higher ones, and the least of it counts. JPEG rounds the coefficients on its own
grid of blocks to multiples of a step, many of them to 0, and on no other grid.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from isthmus.media.bit_depth import own_range
from isthmus.media.jpeg_tables import LUMA, table

SIDE = 8
FEWEST = 100  # blocks, or coefficients, of which something can be said
BLOCKS, FLAT, LEAST = 10_000, 0.1, 0.1  # blocks looked at; share of the flattest; quantile of their energy that counts
EVEN, PAPER = 0.05, 0.3  # shares of exactly even blocks in a drawing: between black and white, and white ones
COLORS, LEVELS = 256, 32  # as many a palette has; of gray as many at most, and fewer than half of those between
LOOKED_AT = 2**16  # pixels whose colors are counted
ALTERNATING = 0.85  # correlation below which neighbors alternate; noise that was sharpened has 0.9
WAVES, SCREEN = 0.003, 0.8  # share of the waves of a picture that hold that much of its energy in a screen of dots
WINDOW = 512  # pixels of a side that are looked at for them
NORMAL = -1.2816  # that quantile of a normal distribution
GRIDS, ALIGNED = 500, 1.2  # blocks looked at on all 64 grids; how many times as many are not 0 beside that of a JPEG
WHOLE = 0.12  # mean distance of coefficients to a multiple of their step, in steps; 0.25 where there is no step
FREQUENCY = np.add.outer(np.arange(SIDE), np.arange(SIDE))
RINGS = [frequency == FREQUENCY for frequency in range(3, 2 * SIDE - 3)]  # of three waves and more
COSINE = np.cos(np.pi / SIDE * np.outer(np.arange(SIDE), np.arange(SIDE) + 0.5)) * math.sqrt(2 / SIDE)
COSINE[0] /= math.sqrt(2)
BT601 = np.array([0.299, 0.587, 0.114], np.float32)


class Noise(NamedTuple):
    """sigma: standard deviation of a pixel, of 255. correlation: amplitude of its middle frequencies over that of the
    high ones, 1 for white noise, more where neighboring pixels are alike, less where they alternate as dithering does.
    channels: correlation of the high frequencies of two color channels, on the mean; 0 for a gray picture."""

    sigma: float
    correlation: float
    channels: float = 0.0


def noise_in(pixels: np.ndarray, range: tuple[float, float] | None = None) -> Noise | None:
    """The noise of H×W×C of any type, of which `range` is black and white (see own_range); None below 8×8."""
    height, width, channels = pixels.shape
    if min(height, width) < SIDE:
        return None
    equal = channels == 3 and bool((pixels[..., :1] == pixels).all())
    if equal:
        pixels, channels = pixels[..., :1], 1
    step = max(1, math.isqrt(height * width // BLOCKS)) | 1  # odd, so that the blocks lie on all grids of 8×8
    blocks = sliding_window_view(pixels, (SIDE, SIDE), (0, 1))[::step, ::step]
    black, white = range or own_range(pixels)
    blocks = (blocks.reshape(-1, channels, SIDE, SIDE).astype(np.float32) - black) * (255 / ((white - black) or 1))
    mean = blocks.mean((2, 3))
    unclipped = ((mean > 15) & (mean < 240)).all(1)
    waves = cosine(blocks[unclipped] if unclipped.sum() >= FEWEST else blocks)
    low = (waves[..., (FREQUENCY > 0) & (FREQUENCY < 4)] ** 2).mean((1, 2))
    waves = waves[low <= np.quantile(low, FLAT)]
    energy = waves**2
    bands = [energy[..., (least <= FREQUENCY) & (most >= FREQUENCY)] for least, most in ((4, 6), (9, 14))]
    middle, high = (math.sqrt(np.quantile(band.mean((1, 2)), LEAST) / expected(band)) for band in bands)
    return Noise(round(middle, 3), middle / max(high, 1e-3), 1.0 if equal else _between_channels(waves))


def _between_channels(waves: np.ndarray) -> float:
    """The mean correlation of two channels of N×C×8×8 in the high frequencies."""
    high = np.moveaxis(waves[..., FREQUENCY >= 9], 1, 0).reshape(waves.shape[1], -1)
    products = high @ high.T
    size = np.sqrt(np.diag(products))
    pairs = np.triu_indices(len(high), 1)
    return float((products / np.maximum(np.outer(size, size), 1e-6))[pairs].mean()) if len(high) > 1 else 0.0


def is_drawn(pixels: np.ndarray) -> bool:
    """Whether H×W×C is a drawing, a chart or a screenshot: noise leaves no block exactly even, but for clipped ones.

    Those at the darkest number of the picture are not counted, and of those at the lightest many are asked for.
    """
    blocks = sliding_window_view(pixels, (SIDE, SIDE), (0, 1))[::SIDE, ::SIDE]
    even = (blocks.min((-1, -2)) == blocks.max((-1, -2))).all(-1)
    level = blocks[..., 0, 0].max(-1)
    between = even & (level > pixels.min()) & (level < pixels.max())
    return bool(between.mean() > EVEN or (even & (level == pixels.max())).mean() > PAPER)


def is_dithered(pixels: np.ndarray, noise: Noise) -> bool:
    """Whether the noise in H×W×C is how few tones were made to look like many.

    There are no more colors than a palette has, or neighboring pixels alternate, as error diffusion makes them, or few
    waves prevail, as in a screen of dots or an ordered dither. Noise has none of these, also that of a sharpened photo.
    """
    if noise.correlation < ALTERNATING or in_few_waves(pixels) > SCREEN:
        return True
    if pixels.dtype != np.uint8:
        return False
    height, width, channels = pixels.shape
    seen = pixels.reshape(-1, channels)[:: max(1, height * width // LOOKED_AT)].astype(np.uint32)
    colors = np.unique(seen @ (256 ** np.arange(channels, dtype=np.uint32)))
    if channels == 1 or (seen == seen[:, :1]).all():
        return len(colors) <= min(LEVELS, int(np.ptp(seen)) // 2)
    return len(colors) <= COLORS


def in_few_waves(pixels: np.ndarray) -> float:
    """The share of the energy of H×W×C's middle that the strongest waves hold, each beside those of its length.

    Of noise that is 0.03, of photos seldom more than 0.1.
    """
    side = min(WINDOW, *pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    seen = pixels[top : top + side, left : left + side].astype(np.float32).mean(-1)
    window = np.hanning(side)[:, None] * np.hanning(side)
    energy = np.abs(np.fft.rfft2((seen - seen.mean()) * window)) ** 2
    length = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))  # waves a pixel
    rings = np.where((length > 0.08) & (length < 0.5), np.rint(length * 64).astype(int), 0)
    found = [energy[rings == ring] for ring in np.unique(rings[rings > 0])]
    beside = np.sort(np.concatenate([ring / max(np.median(ring), 1e-9) for ring in found]))
    return float(beside[-max(64, int(WAVES * beside.size)) :].sum() / beside.sum())


def expected(band: np.ndarray) -> float:
    """The LEAST quantile of the mean of as many squares of normal numbers (Wilson and Hilferty 1931)."""
    part = 2 / (9 * band[0].size)
    return float((1 - part + NORMAL * math.sqrt(part)) ** 3)


def jpeg_quality(pixels: np.ndarray) -> int | None:
    """The quality of the JPEG that H×W×C of uint8 went through last, also where it was cut since; None for none.

    As of the tables of the JPEG standard, on the luma. Above about 88 rounding to whole pixels hides the steps: None.
    """
    height, width, channels = pixels.shape
    rows, columns = height // SIDE - 2, width // SIDE - 2
    if min(rows, columns) < 1 or pixels.dtype != np.uint8:
        return None
    picks = np.random.default_rng(0).permutation(rows * columns)[: 4 * GRIDS]
    windows = sliding_window_view(pixels, (2 * SIDE - 1, 2 * SIDE - 1), (0, 1))
    seen = windows[SIDE * (picks // columns), SIDE * (picks % columns)].astype(np.float32)
    luma = (np.tensordot(seen, BT601, (1, 0)) if channels == 3 else seen[:, 0]) - 128  # as JPEG counts from gray
    luma = luma[np.argsort(-np.ptp(luma, (1, 2)))[:GRIDS]]  # of an even block all coefficients are 0 on any grid
    found = cosine(sliding_window_view(luma, (SIDE, SIDE), (1, 2)))  # N×8×8 grids×8×8
    zeros = (np.abs(found[..., FREQUENCY >= 2]) < 0.5).mean((0, 3)).ravel()
    grid = int(zeros.argmax())
    if 1 - np.delete(zeros, grid).max() < ALIGNED * (1 - zeros[grid]) + 1e-6:
        return None
    chosen = FREQUENCY <= 4
    sizes = np.abs(found[:, grid // SIDE, grid % SIDE][:, chosen])
    misses = [miss(sizes, table(quality, LUMA)[chosen]) for quality in range(3, 100)]
    first = next((place for place, value in enumerate(misses) if value < WHOLE), None)
    # A finer step divides more than its own multiples, a step of nearly the same size some of them: the best nearby.
    return None if first is None else 3 + first + int(np.argmin(misses[first : first + 5]))


def miss(sizes: np.ndarray, steps: np.ndarray) -> float:
    """How far N×K coefficients that are not 0 are from a multiple of their K steps, on the mean, in steps."""
    known = (sizes > steps / 2) & (steps > 1)
    parts = (sizes / steps)[known]
    return float(np.abs(parts - parts.round()).mean()) if len(parts) >= FEWEST // 5 else 1.0


def cosine(blocks: np.ndarray) -> np.ndarray:
    """...×8×8 in the orthonormal cosine basis (DCT-II)."""
    basis = COSINE.astype(np.float32)
    return basis @ blocks @ basis.T  # type: ignore[no-any-return]
