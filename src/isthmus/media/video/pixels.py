"""Conversion between the planes of a video frame and RGB, exact on the round trip of an unchanged frame.

FFmpeg's scaler is not used for it: on full-range and deep gray frames its round trip loses up to one and a half levels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from isthmus.media.color_spaces import LUMA
from isthmus.media.resize import to_depth
from isthmus.media.video.encoders import Traits, traits

NARROW, FULL = 1, 2  # FFmpeg's numbers of ranges
# The weights of red and blue in luma, by FFmpeg's number of the color matrix; BT.601 for the others.
LUMA_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
ROWS = 64  # converted at a time, to save memory; a multiple of every chroma step


def samples_of(frame: Any) -> np.ndarray:
    """H×W×3, or 4 with transparency, uint8, or uint16 if a PyAV frame has more than 8 bits."""
    format_traits = traits(frame.format.name)
    deep = format_traits.bits > 8
    if format_traits.rgb or (format_traits.alpha and not format_traits.color):
        return np.asarray(frame.to_ndarray(format=packed(deep, format_traits.alpha)))
    frame = planar(frame, format_traits)
    planes = [plane_of(plane, deep) for plane in frame.planes]
    out = np.empty((frame.height, frame.width, 3 + format_traits.alpha), np.uint16 if deep else np.uint8)
    most = np.iinfo(out.dtype).max
    red, blue = LUMA_WEIGHTS.get(frame.colorspace, LUMA[::2])
    zero, unit, middle, chroma_unit = levels(format_traits.bits, is_full(frame.format.name, frame.color_range))
    for rows in stripes(frame.height):
        luma: np.ndarray = (planes[0][rows] - np.float32(zero)) / np.float32(unit)
        if format_traits.color:
            cb, cr = (upsample_chroma(plane, rows, frame.width, format_traits.chroma) for plane in planes[1:3])
            cb, cr = ((part - np.float32(middle)) / np.float32(chroma_unit) for part in (cb, cr))
            r, b = luma + np.float32(2 - 2 * red) * cr, luma + np.float32(2 - 2 * blue) * cb
            g = (luma - np.float32(red) * r - np.float32(blue) * b) / np.float32(1 - red - blue)
        else:
            r = g = b = luma
        for channel, values in enumerate((r, g, b)):
            out[rows, :, channel] = quantized(values, most)
        if format_traits.alpha:
            out[rows, :, 3] = quantized(planes[3][rows] / np.float32(2**format_traits.bits - 1), most)
    return out


def frame_of_samples(samples: np.ndarray, format: str, matrix: int, full: bool) -> Any:
    """A PyAV frame of H×W×3 samples, or 4 with transparency, in a pixel format, a color matrix and a range."""
    from av import VideoFrame

    format_traits = traits(format)
    deep = format_traits.bits > 8
    samples = np.ascontiguousarray(to_depth(samples, np.dtype(np.uint16 if deep else np.uint8)))
    if format_traits.rgb or (format_traits.alpha and not format_traits.color):
        return VideoFrame.from_ndarray(samples, packed(deep, format_traits.alpha)).reformat(format=format)
    height, width = samples.shape[:2]
    frame = VideoFrame(width, height, format)
    planes = [plane_of(plane, deep) for plane in frame.planes]
    red, blue = LUMA_WEIGHTS.get(matrix, LUMA[::2])
    zero, unit, middle, chroma_unit = levels(format_traits.bits, full)
    top, most = 2**format_traits.bits - 1, np.float32(np.iinfo(samples.dtype).max)
    for rows in stripes(height):
        r, g, b = (samples[rows, :, channel] / most for channel in range(3))
        luma = np.float32(red) * r + np.float32(1 - red - blue) * g + np.float32(blue) * b
        planes[0][rows] = quantized(luma * np.float32(unit / top) + np.float32(zero / top), top)
        for plane, color, share in ((1, b, blue), (2, r, red)) if format_traits.color else ():
            part = (color - luma) * np.float32(chroma_unit / (2 - 2 * share) / top) + np.float32(middle / top)
            down = format_traits.chroma[1]
            reduced = downsample_chroma(part, format_traits.chroma)
            planes[plane][rows.start // down : rows.start // down + len(reduced)] = quantized(reduced, top)
        if format_traits.alpha:
            planes[3][rows] = quantized(samples[rows, :, 3] / most, top)
    return frame


def is_full(format: str, range: int) -> bool:
    """Whether a pixel format with this range (FFmpeg's number) uses all values; gray does unless marked narrow."""
    return format.startswith("yuvj") or range == FULL or (range != NARROW and not traits(format).color)


def is_gray(frame: Any) -> bool:
    """Whether a PyAV frame has no color: no chroma planes, or neutral ones."""
    format_traits = traits(frame.format.name)
    if not format_traits.color:
        return True
    if format_traits.rgb or len(frame.planes) < 3 or frame.format.is_big_endian:
        return False
    middle = 2 ** (format_traits.bits - 1)
    return all(bool((plane_of(plane, format_traits.bits > 8) == middle).all()) for plane in frame.planes[1:3])


def packed(deep: bool, alpha: bool) -> str:
    """FFmpeg's name of H×W×3 or H×W×4 samples in memory."""
    return ("rgba64le" if deep else "rgba") if alpha else ("rgb48le" if deep else "rgb24")


def planar(frame: Any, format_traits: Traits) -> Any:
    """The same values with separate planes for luma, chroma and alpha, in little endian."""
    if len(frame.planes) == 1 + 2 * format_traits.color + format_traits.alpha and not frame.format.is_big_endian:
        return frame
    across, down = format_traits.chroma
    sampling = {(2, 2): 420, (2, 1): 422, (4, 1): 411}.get((across, down), 444)
    kind = f"yuv{'a' if format_traits.alpha else ''}{sampling}p" if format_traits.color else "gray"
    new = frame.reformat(format=kind + ("" if format_traits.bits == 8 else f"{format_traits.bits}le"))
    new.colorspace, new.color_range = frame.colorspace, frame.color_range
    return new


def plane_of(plane: Any, deep: bool) -> np.ndarray:
    """A view H×W of a plane's memory."""
    kind = np.dtype("<u2" if deep else np.uint8)
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height]
    return rows[:, : plane.width * kind.itemsize].view(kind)


def stripes(height: int) -> Iterator[slice]:
    return (slice(top, min(height, top + ROWS)) for top in range(0, height, ROWS))


def levels(bits: int, full: bool) -> tuple[float, float, float, float]:
    """(black of luma, its steps to white, neutral value of chroma, its steps from minimum to maximum)."""
    if full:
        return 0, 2**bits - 1, 2 ** (bits - 1), 2**bits - 1
    step = 2 ** (bits - 8)
    return 16 * step, 219 * step, 128 * step, 224 * step


def quantized(values: np.ndarray, most: int) -> np.ndarray:
    """Values in 0..1 as integers in 0..most."""
    return np.clip(np.rint(values * np.float32(most)), 0, most).astype(np.uint16 if most > 255 else np.uint8)


def upsample_chroma(plane: np.ndarray, rows: slice, width: int, chroma: tuple[int, int]) -> np.ndarray:
    """The chroma of these rows, repeated for all pixels that share a sample."""
    across, down = chroma
    part = plane[rows.start // down : -(-rows.stop // down)]
    return part.repeat(down, 0)[: rows.stop - rows.start].repeat(across, 1)[:, :width].astype(np.float32)


def downsample_chroma(part: np.ndarray, chroma: tuple[int, int]) -> np.ndarray:
    """Means over the pixels that share a chroma sample; edges are repeated to a full group."""
    across, down = chroma
    height, width = part.shape
    part = np.pad(part, ((0, -height % down), (0, -width % across)), "edge")
    return part.reshape(part.shape[0] // down, down, part.shape[1] // across, across).mean((1, 3))
