"""Between the planes of a video frame and RGB in memory, so exactly that a frame that nobody changes stays as it is.

FFmpeg's scaler is not used for it: of full-range and of deep gray frames it loses up to one and a half levels on the
way there and back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from isthmus.media.resize import to_depth
from isthmus.media.video.encoders import Traits, traits

NARROW, FULL = 1, 2  # FFmpeg's numbers of ranges
# The shares of red and blue in luma, by FFmpeg's number of the color matrix; of the others those of BT.601.
SHARES = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
BT601 = (0.299, 0.114)
ROWS = 64  # at a time, for little memory; a multiple of every chroma step


def samples_of(frame: Any) -> np.ndarray:
    """H×W×3, or 4 with transparency, uint8, or uint16 where a PyAV frame has more than 8 bits."""
    held = traits(frame.format.name)
    deep = held.bits > 8
    if held.rgb or (held.alpha and not held.color):
        return np.asarray(frame.to_ndarray(format=packed(deep, held.alpha)))
    frame = planar(frame, held)
    planes = [plane_of(plane, deep) for plane in frame.planes]
    out = np.empty((frame.height, frame.width, 3 + held.alpha), np.uint16 if deep else np.uint8)
    most = np.iinfo(out.dtype).max
    red, blue = SHARES.get(frame.colorspace, BT601)
    zero, unit, middle, chroma_unit = levels(held.bits, is_full(frame.format.name, frame.color_range))
    for rows in stripes(frame.height):
        luma: np.ndarray = (planes[0][rows] - np.float32(zero)) / np.float32(unit)
        if held.color:
            cb, cr = (spread(plane, rows, frame.width, held.chroma) for plane in planes[1:3])
            cb, cr = ((part - np.float32(middle)) / np.float32(chroma_unit) for part in (cb, cr))
            r, b = luma + np.float32(2 - 2 * red) * cr, luma + np.float32(2 - 2 * blue) * cb
            g = (luma - np.float32(red) * r - np.float32(blue) * b) / np.float32(1 - red - blue)
        else:
            r = g = b = luma
        for channel, values in enumerate((r, g, b)):
            out[rows, :, channel] = quantized(values, most)
        if held.alpha:
            out[rows, :, 3] = quantized(planes[3][rows] / np.float32(2**held.bits - 1), most)
    return out


def frame_of_samples(samples: np.ndarray, format: str, matrix: int, full: bool) -> Any:
    """A PyAV frame of H×W×3 samples, or 4 with transparency, in a pixel format, a color matrix and a range."""
    from av import VideoFrame

    held = traits(format)
    deep = held.bits > 8
    samples = np.ascontiguousarray(to_depth(samples, np.dtype(np.uint16 if deep else np.uint8)))
    if held.rgb or (held.alpha and not held.color):
        return VideoFrame.from_ndarray(samples, packed(deep, held.alpha)).reformat(format=format)
    height, width = samples.shape[:2]
    frame = VideoFrame(width, height, format)
    planes = [plane_of(plane, deep) for plane in frame.planes]
    red, blue = SHARES.get(matrix, BT601)
    zero, unit, middle, chroma_unit = levels(held.bits, full)
    top, most = 2**held.bits - 1, np.float32(np.iinfo(samples.dtype).max)
    for rows in stripes(height):
        r, g, b = (samples[rows, :, channel] / most for channel in range(3))
        luma = np.float32(red) * r + np.float32(1 - red - blue) * g + np.float32(blue) * b
        planes[0][rows] = quantized(luma * np.float32(unit / top) + np.float32(zero / top), top)
        for plane, color, share in ((1, b, blue), (2, r, red)) if held.color else ():
            part = (color - luma) * np.float32(chroma_unit / (2 - 2 * share) / top) + np.float32(middle / top)
            down = held.chroma[1]
            gathered = means(part, held.chroma)
            planes[plane][rows.start // down : rows.start // down + len(gathered)] = quantized(gathered, top)
        if held.alpha:
            planes[3][rows] = quantized(samples[rows, :, 3] / most, top)
    return frame


def is_full(format: str, range: int) -> bool:
    """Whether a pixel format with this range, as FFmpeg numbers it, uses all numbers; gray does unless it says no."""
    return format.startswith("yuvj") or range == FULL or (range != NARROW and not traits(format).color)


def is_gray(frame: Any) -> bool:
    """Whether a PyAV frame has no color: no chroma, or one that says so everywhere."""
    held = traits(frame.format.name)
    if not held.color:
        return True
    if held.rgb or len(frame.planes) < 3 or frame.format.is_big_endian:
        return False
    middle = 2 ** (held.bits - 1)
    return all(bool((plane_of(plane, held.bits > 8) == middle).all()) for plane in frame.planes[1:3])


def packed(deep: bool, alpha: bool) -> str:
    """FFmpeg's name of H×W×3 or H×W×4 samples in memory."""
    return ("rgba64le" if deep else "rgba") if alpha else ("rgb48le" if deep else "rgb24")


def planar(frame: Any, held: Traits) -> Any:
    """The same numbers, with a plane of its own for each of the luma, the chroma and the alpha, the low byte first."""
    if len(frame.planes) == 1 + 2 * held.color + held.alpha and not frame.format.is_big_endian:
        return frame
    across, down = held.chroma
    sampling = {(2, 2): 420, (2, 1): 422, (4, 1): 411}.get((across, down), 444)
    kind = f"yuv{'a' if held.alpha else ''}{sampling}p" if held.color else "gray"
    new = frame.reformat(format=kind + ("" if held.bits == 8 else f"{held.bits}le"))
    new.colorspace, new.color_range = frame.colorspace, frame.color_range
    return new


def plane_of(plane: Any, deep: bool) -> np.ndarray:
    """H×W of a plane, in the memory that it has."""
    kind = np.dtype("<u2" if deep else np.uint8)
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height]
    return rows[:, : plane.width * kind.itemsize].view(kind)


def stripes(height: int) -> Iterator[slice]:
    return (slice(top, min(height, top + ROWS)) for top in range(0, height, ROWS))


def levels(bits: int, full: bool) -> tuple[float, float, float, float]:
    """Luma's number for black, and its steps to white; chroma's for no color, and its steps from end to end."""
    if full:
        return 0, 2**bits - 1, 2 ** (bits - 1), 2**bits - 1
    step = 2 ** (bits - 8)
    return 16 * step, 219 * step, 128 * step, 224 * step


def quantized(values: np.ndarray, most: int) -> np.ndarray:
    """Whole numbers of 0..most for 0..1."""
    return np.clip(np.rint(values * np.float32(most)), 0, most).astype(np.uint16 if most > 255 else np.uint8)


def spread(plane: np.ndarray, rows: slice, width: int, chroma: tuple[int, int]) -> np.ndarray:
    """The numbers of the chroma of these rows, each for all the pixels that share it."""
    across, down = chroma
    part = plane[rows.start // down : -(-rows.stop // down)]
    return part.repeat(down, 0)[: rows.stop - rows.start].repeat(across, 1)[:, :width].astype(np.float32)


def means(part: np.ndarray, chroma: tuple[int, int]) -> np.ndarray:
    """Means over the pixels that share a number of the chroma; at an odd edge over those that there are."""
    across, down = chroma
    height, width = part.shape
    part = np.pad(part, ((0, -height % down), (0, -width % across)), "edge")
    return part.reshape(part.shape[0] // down, down, part.shape[1] // across, across).mean((1, 3))
