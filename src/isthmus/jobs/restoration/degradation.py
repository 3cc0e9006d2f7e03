"""Estimates of the degradation of an image: the level and correlation of its noise, and its JPEG quality.

Both use 8×8 blocks in the cosine basis. Noise is everywhere, but texture is not: noise is measured on the high
frequencies of the blocks with the weakest low frequencies, as a low quantile of their energy. JPEG rounds the
coefficients to multiples of a step, many of them to 0, on one grid of blocks only.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from isthmus.media.bit_depth import own_range
from isthmus.media.color_spaces import LUMA
from isthmus.media.jpeg_tables import LUMA_TABLE, table

SIDE = 8
FEWEST = 100  # blocks, or coefficients, needed for an estimate
BLOCKS, FLAT, LEAST = 10_000, 0.1, 0.1  # blocks sampled; share of the flattest; quantile of their energy
EVEN, PAPER = 0.05, 0.3  # shares of exactly constant blocks in a drawing: between black and white; white
COLORS, LEVELS = 256, 32  # size of a palette; most gray levels, if also below half of their range
LOOKED_AT = 2**16  # pixels sampled to count colors
ALTERNATING = 0.85  # correlation below which neighboring pixels alternate; sharpened noise has 0.9
WAVES, SCREEN = 0.003, 0.8  # in a halftone, 0.3 % of the frequencies hold 80 % of the energy
WINDOW = 512  # side in pixels of the sampled window
NORMAL = -1.2816  # the LEAST quantile of the standard normal distribution
GRIDS, ALIGNED = 500, 1.2  # blocks sampled on all 64 grids; their nonzero coefficients, relative to the JPEG grid
WHOLE = 0.12  # mean distance of coefficients to multiples of their step, in steps; 0.25 without quantization
FREQUENCY = np.add.outer(np.arange(SIDE), np.arange(SIDE))
RINGS = [frequency == FREQUENCY for frequency in range(3, 2 * SIDE - 3)]  # frequencies of 3 and more
COSINE = np.cos(np.pi / SIDE * np.outer(np.arange(SIDE), np.arange(SIDE) + 0.5)) * math.sqrt(2 / SIDE)
COSINE[0] /= math.sqrt(2)


class Noise(NamedTuple):
    """sigma: standard deviation, of 255. correlation: middle over high frequencies, 1 for white noise, more
    if neighboring pixels are similar, less if they alternate as in dithering. channels: mean correlation of the high
    frequencies of two color channels; 0 for a gray image."""

    sigma: float
    correlation: float
    channels: float = 0.0


def estimate_noise(pixels: np.ndarray, range: tuple[float, float] | None = None) -> Noise | None:
    """The noise of H×W×C (any dtype); range: black and white, by default own_range. None below 8×8 pixels."""
    height, width, channels = pixels.shape
    if min(height, width) < SIDE:
        return None
    equal = channels == 3 and bool((pixels[..., :1] == pixels).all())
    if equal:
        pixels, channels = pixels[..., :1], 1
    step = max(1, math.isqrt(height * width // BLOCKS)) | 1  # odd, so that the blocks cover all 8×8 grids
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


def is_drawing(pixels: np.ndarray) -> bool:
    """Whether H×W×C is a drawing, a chart or a screenshot: noise leaves only clipped blocks exactly constant.

    Blocks of the darkest value are not counted, and more blocks are required at the brightest value.
    """
    blocks = sliding_window_view(pixels, (SIDE, SIDE), (0, 1))[::SIDE, ::SIDE]
    even = (blocks.min((-1, -2)) == blocks.max((-1, -2))).all(-1)
    level = blocks[..., 0, 0].max(-1)
    between = even & (level > pixels.min()) & (level < pixels.max())
    return bool(between.mean() > EVEN or (even & (level == pixels.max())).mean() > PAPER)


def is_dithered(pixels: np.ndarray, noise: Noise) -> bool:
    """Whether the noise in H×W×C is dithering or a halftone.

    Either there are no more colors than in a palette, or neighboring pixels alternate, as in error diffusion, or a few
    frequencies dominate, as in a halftone or ordered dithering. Noise has none of these, even in sharpened photos.
    """
    if noise.correlation < ALTERNATING or spectral_concentration(pixels) > SCREEN:
        return True
    if pixels.dtype != np.uint8:
        return False
    height, width, channels = pixels.shape
    seen = pixels.reshape(-1, channels)[:: max(1, height * width // LOOKED_AT)].astype(np.uint32)
    colors = np.unique(seen @ (256 ** np.arange(channels, dtype=np.uint32)))
    if channels == 1 or (seen == seen[:, :1]).all():
        return len(colors) <= min(LEVELS, int(np.ptp(seen)) // 2)
    return len(colors) <= COLORS


def spectral_concentration(pixels: np.ndarray) -> float:
    """The share of energy in the strongest frequencies of the center of H×W×C, relative to frequencies of equal length.

    0.03 for noise, seldom above 0.1 for photos.
    """
    side = min(WINDOW, *pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    seen = pixels[top : top + side, left : left + side].astype(np.float32).mean(-1)
    window = np.hanning(side)[:, None] * np.hanning(side)
    energy = np.abs(np.fft.rfft2((seen - seen.mean()) * window)) ** 2
    length = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))  # cycles per pixel
    rings = np.where((length > 0.08) & (length < 0.5), np.rint(length * 64).astype(int), 0)
    found = [energy[rings == ring] for ring in np.unique(rings[rings > 0])]
    beside = np.sort(np.concatenate([ring / max(np.median(ring), 1e-9) for ring in found]))
    return float(beside[-max(64, int(WAVES * beside.size)) :].sum() / beside.sum())


def expected(band: np.ndarray) -> float:
    """The LEAST quantile of the mean of as many squares of normal numbers (Wilson and Hilferty 1931)."""
    part = 2 / (9 * band[0].size)
    return float((1 - part + NORMAL * math.sqrt(part)) ** 3)


def jpeg_quality(pixels: np.ndarray) -> int | None:
    """The quality of the last JPEG compression of H×W×C uint8, also if it was cropped since; None without one.

    Based on the luma tables of the JPEG standard. Above about 88 the rounding of pixels hides the steps: None.
    """
    height, width, channels = pixels.shape
    rows, columns = height // SIDE - 2, width // SIDE - 2
    if min(rows, columns) < 1 or pixels.dtype != np.uint8:
        return None
    picks = np.random.default_rng(0).permutation(rows * columns)[: 4 * GRIDS]
    windows = sliding_window_view(pixels, (2 * SIDE - 1, 2 * SIDE - 1), (0, 1))
    seen = windows[SIDE * (picks // columns), SIDE * (picks % columns)].astype(np.float32)
    luma = (
        np.tensordot(seen, np.array(LUMA, np.float32), (1, 0)) if channels == 3 else seen[:, 0]
    ) - 128  # JPEG values are relative to gray
    luma = luma[np.argsort(-np.ptp(luma, (1, 2)))[:GRIDS]]  # constant blocks have zero coefficients on every grid
    found = cosine(sliding_window_view(luma, (SIDE, SIDE), (1, 2)))  # N×8×8 grids×8×8
    zeros = (np.abs(found[..., FREQUENCY >= 2]) < 0.5).mean((0, 3)).ravel()
    grid = int(zeros.argmax())
    if 1 - np.delete(zeros, grid).max() < ALIGNED * (1 - zeros[grid]) + 1e-6:
        return None
    chosen = FREQUENCY <= 4
    sizes = np.abs(found[:, grid // SIDE, grid % SIDE][:, chosen])
    misses = [miss(sizes, table(quality, LUMA_TABLE)[chosen]) for quality in range(3, 100)]
    first = next((place for place, value in enumerate(misses) if value < WHOLE), None)
    # Multiples of a step are also multiples of finer steps, and nearly of similar ones: take the best of the next five.
    return None if first is None else 3 + first + int(np.argmin(misses[first : first + 5]))


def miss(sizes: np.ndarray, steps: np.ndarray) -> float:
    """The mean distance of nonzero coefficients N×K to multiples of their K steps, in steps."""
    counted = (sizes > steps / 2) & (steps > 1)
    parts = (sizes / steps)[counted]
    return float(np.abs(parts - parts.round()).mean()) if len(parts) >= FEWEST // 5 else 1.0


def cosine(blocks: np.ndarray) -> np.ndarray:
    """...×8×8 in the orthonormal cosine basis (DCT-II)."""
    basis = COSINE.astype(np.float32)
    return basis @ blocks @ basis.T  # type: ignore[no-any-return]
