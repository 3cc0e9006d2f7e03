"""Conversion of one video frame to a photo and back, and the frame properties that the writer keeps."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from isthmus.media.photo import Photo
from isthmus.media.video.encoders import traits
from isthmus.media.video.pixels import frame_of_samples, is_gray, samples_of

RGB, BT709, UNKNOWN, NARROW, FULL = 0, 1, 2, 1, 2  # FFmpeg's numbers of color matrices, and of ranges
UPPER_FIRST = (2, 5)  # FFmpeg's numbers, of 2 to 5, of field orders with the upper field shown first
# Side data of a frame that is not passed to any encoder, by FFmpeg's names.
NOT_KEPT = {
    "A53_CC": "closed captions",
    "STEREO3D": "the two views of 3D",
    "SPHERICAL": "the projection of 360°",
    "DYNAMIC_HDR_PLUS": "dynamic HDR (HDR10+)",
    "DYNAMIC_HDR_VIVID": "dynamic HDR (Vivid)",
    "DOVI_RPU_BUFFER": "dynamic HDR (Dolby Vision)",
    "DOVI_METADATA": "dynamic HDR (Dolby Vision)",
    "ICC_PROFILE": "the ICC profile",
}


class FrameProperties(NamedTuple):
    """Pixel format and color properties of a frame; numbers are FFmpeg's, 2 (of range: 0) being unknown.

    aspect: width of a pixel over its height; 0: unknown. order: of its fields; 0: progressive. mastering, light: bytes
    of HDR10's side data. not_kept: names of the side data that cannot be written.
    """

    format: str
    matrix: int
    range: int
    primaries: int
    transfer: int
    aspect: Any = 0
    order: int = 0
    mastering: bytes = b""
    light: bytes = b""
    not_kept: frozenset[str] = frozenset()


def properties_of(frame: Any, stream: Any) -> FrameProperties:
    """The properties of a PyAV frame of a stream."""
    side_data = {data.type.name: data for data in frame.side_data}
    context = stream.codec_context
    aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio or 0
    rotated = "DISPLAYMATRIX" in side_data and quarter_turned(side_data["DISPLAYMATRIX"])
    interlaced = frame.interlaced_frame and not rotated
    return FrameProperties(
        frame.format.name,
        *(frame.colorspace, frame.color_range, context.color_primaries, context.color_trc),
        aspect=1 / aspect if aspect and rotated else aspect,
        order=max(UPPER_FIRST[0], context.field_order) if interlaced else 0,
        mastering=bytes(side_data.get("MASTERING_DISPLAY_METADATA", b"")),
        light=bytes(side_data.get("CONTENT_LIGHT_LEVEL", b"")),
        not_kept=frozenset(NOT_KEPT[name] for name in NOT_KEPT.keys() & side_data.keys()),
    )


def photo_of(frame: Any) -> Photo:
    """A PyAV frame as an upright photo of 8 or 16 bits; gray if it has no color."""
    gray = is_gray(frame)
    samples = turned(samples_of(frame), frame)
    alpha = np.ascontiguousarray(samples[..., 3]) if samples.shape[-1] == 4 else None
    return Photo(np.ascontiguousarray(samples[..., : 1 if gray else 3]), alpha)


def frame_of(photo: Photo, format: str, size: tuple[int, int], matrix: int, full: bool) -> Any:
    """A PyAV frame of (height, width) `size`, padded by repeated edges, in a pixel format, color matrix and range."""
    samples = photo.pixels if photo.pixels.shape[-1] == 3 else np.repeat(photo.pixels, 3, -1)
    most = np.iinfo(samples.dtype).max
    if traits(format).alpha:
        alpha = np.full(photo.size, most, samples.dtype) if photo.alpha is None else photo.alpha
        samples = np.concatenate([samples, alpha[..., None]], -1)
    elif photo.alpha is not None:
        samples = (samples * (photo.alpha[..., None] / np.float32(most)) + 0.5).astype(samples.dtype)
    tall, wide = size[0] - photo.size[0], size[1] - photo.size[1]
    if tall or wide:
        samples = np.pad(samples, ((0, tall), (0, wide), (0, 0)), "edge")
    return frame_of_samples(samples, format, matrix, full)


def turned(pixels: np.ndarray, frame: Any) -> np.ndarray:
    """H×W×C rotated and flipped according to the display matrix (x' = ax + cy ...)."""
    matrix = next((data for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    if matrix is None:
        return pixels
    (a, b, _), (c, d, _), _ = np.frombuffer(matrix, np.int32).reshape(3, 3).tolist()
    if quarter_turned(matrix):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def quarter_turned(matrix: Any) -> bool:
    """Whether a display matrix swaps rows and columns."""
    a, b = np.frombuffer(matrix, np.int32)[:2].tolist()
    return bool(abs(b) > abs(a))
