"""The axes of an array of images. A string such as "NCHW" names them: images, channels, rows (H) and columns (W)."""

from __future__ import annotations

import numpy as np

CHANNELS = (1, 3, 4)  # gray, color, color with alpha
LAST = (1, 2, 3, 4)  # of a last axis, and of the second of four: also gray with alpha


def image_axes(shape: tuple[int, ...]) -> str:
    """The axes of an array of images: HW, HWC, CHW, NHW, NCHW or NHWC; "" if it holds no images.

    Of three axes the last is C if it is 1 to 4, else the first is C if it is 1, 3 or 4, else N: gray images. Of four
    the second is C if it is 1 to 4, else the last.
    """
    if 0 in shape:
        return ""
    if len(shape) == 3:
        return "HWC" if shape[2] in LAST else "CHW" if shape[0] in CHANNELS else "NHW"
    if len(shape) == 4:
        return "NCHW" if shape[1] in LAST else "NHWC" if shape[3] in LAST else ""
    return "HW" if len(shape) == 2 else ""


def to_images(array: np.ndarray, axes: str) -> np.ndarray:
    """An array with these axes as N×H×W×C, a view."""
    array = array if "N" in axes else array[None]
    array = array if "C" in axes else array[..., None]
    return np.moveaxis(array, -3, -1) if "CH" in axes else array


def from_images(images: np.ndarray, axes: str) -> np.ndarray:
    """The inverse of to_images."""
    images = np.moveaxis(images, -1, -3) if "CH" in axes else images
    images = images if "C" in axes else images[..., 0]
    return images if "N" in axes else images[0]
