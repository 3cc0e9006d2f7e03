"""Resizing and cropping of images, and conversion between gray and color and between 8 and 16 bits."""

from __future__ import annotations

import numpy as np

from isthmus.media.color_spaces import LUMA

# Integers as in Pillow's convert("L"), so that all ways to gray agree.
LUMA_65536 = tuple(round(65536 * weight) for weight in LUMA)


def resize(picture: np.ndarray, height: int, width: int, stretch: bool = False, nearest: bool = False) -> np.ndarray:
    """C×H×W to C×height×width: scaled to cover both (Lanczos, antialiased), then cropped to the center.

    stretch: height and width are scaled separately, so nothing is cropped, but the aspect ratio may change.
    nearest: each pixel is the nearest one of the image, for labels and masks.
    """
    _, old_height, old_width = picture.shape
    scale = max(height / old_height, width / old_width)
    if scale == 1 and not (stretch and (height, width) != (old_height, old_width)):
        top, left = (old_height - height) // 2, (old_width - width) // 2
        return picture[:, top : top + height, left : left + width]
    from PIL import Image

    box_height, box_width = (old_height, old_width) if stretch else (height / scale, width / scale)
    # Rounding may put the corner a hair outside, which Pillow refuses.
    top_, left_ = max(0.0, (old_height - box_height) / 2), max(0.0, (old_width - box_width) / 2)
    box = (left_, top_, min(left_ + box_width, old_width), min(top_ + box_height, old_height))
    eight_bits = picture.dtype == np.uint8
    wide = picture.dtype if eight_bits else np.dtype(np.int32 if nearest else np.float32)
    method = Image.Resampling.NEAREST if nearest else Image.Resampling.LANCZOS
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane, wide)).resize((width, height), method, box=box))
        for plane in picture
    ]
    result = np.stack(planes)
    if eight_bits or nearest:
        return result.astype(picture.dtype, copy=False)
    # Lanczos overshoots at edges: values beyond the range of the image are clipped.
    result = np.clip(result, picture.min(), picture.max())
    return (np.rint(result) if picture.dtype.kind == "u" else result).astype(picture.dtype)


def to_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    """C×H×W as gray (1: luma) or color (3: gray repeated)."""
    if picture.shape[0] == channels:
        return picture
    if channels == 3:
        return np.repeat(picture[:1], 3, axis=0)
    if picture.dtype.kind == "f":
        weights = np.array(LUMA_65536, picture.dtype) / 65536
        return np.tensordot(weights, picture[:3], axes=1)[None].astype(picture.dtype)
    red, green, blue = picture[:3].astype(np.uint64)
    luma = red * LUMA_65536[0] + green * LUMA_65536[1] + blue * LUMA_65536[2] + 32768
    return (luma >> np.uint64(16)).astype(picture.dtype)[None]


def to_depth(picture: np.ndarray, dtype: np.dtype, white: float = 65535.0) -> np.ndarray:
    """uint8 to uint16 (×257: white stays white, and the way back is exact) or uint16 to uint8 (rounded).

    white: the value of white in the uint16, such as 4095 in a data set of 12-bit images.
    """
    if picture.dtype == dtype:
        return picture
    if dtype == np.uint16:
        return ((picture.astype(np.uint32) * np.uint32(white) + 127) // 255).astype(np.uint16)
    return ((picture.astype(np.uint32) + 128) // 257).astype(np.uint8)


def to_white(picture: np.ndarray, white: float) -> np.ndarray:
    """uint16 with a white of 65535 rescaled to another white, such as 4095 in a data set of 12-bit images."""
    if picture.dtype != np.uint16 or white == 65535:
        return picture
    return ((picture.astype(np.uint32) * np.uint32(white) + 32767) // 65535).astype(np.uint16)


def crop(
    picture: np.ndarray, shape: tuple[int, int, int], dtype: np.dtype, corner: np.ndarray, white: float = 65535.0
) -> np.ndarray:
    """The crop of C×H×W at corner = (top, left) as `shape` and `dtype`; mirrored beyond the edges of the image."""
    (channels, height, width), (top, left) = shape, corner
    part = picture[:, top : top + height, left : left + width]
    missing = ((0, 0), (0, height - part.shape[1]), (0, width - part.shape[2]))
    return to_channels(to_depth(np.pad(part, missing, mode="symmetric"), dtype, white), channels)


def fit(
    picture: np.ndarray,
    shape: tuple[int, int, int],
    dtype: np.dtype,
    stretch: bool = False,
    white: float = 65535.0,
    nearest: bool = False,
) -> np.ndarray:
    """C×H×W as `shape` and `dtype`; `stretch` and `nearest` as in `resize`, `white` as in `to_depth`."""
    channels, height, width = shape
    if channels == 1:  # fewer planes to resize
        picture = to_channels(picture, 1)
    return to_channels(to_depth(resize(picture, height, width, stretch, nearest), dtype, white), channels)
