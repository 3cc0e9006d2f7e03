"""The one preparation of segmentation: from a photo to the channels and the value range that its network takes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from isthmus.data.preparation import flattened
from isthmus.errors import BadInput, Note, unknown
from isthmus.inference.source import photos_from_array
from isthmus.media.array_axes import image_axes, to_images
from isthmus.media.bit_depth import full_range
from isthmus.media.file_content import Header
from isthmus.media.photo import Photo
from isthmus.media.resize import to_channels
from isthmus.types import times

NORMALIZE = ("auto", "image", "none")
LOW, HIGH = 1.0, 99.8  # percentiles of an image that become 0 and 1, as in StarDist and Cellpose
SAMPLED = 2**20  # pixels from which percentiles are computed


def check_normalize(name: str) -> str:
    if name not in NORMALIZE:
        raise unknown("normalize", name, NORMALIZE)
    return name


def channels_of(headers: Sequence[Header], gray: bool | None) -> int:
    """The channels of a network for these files: 1 if all are gray or by option, 3, or all of the channels that every
    file has, such as 4 with near infrared."""
    counts = {(1 if header.gray else 3) + header.bands for header in headers}
    if len(counts) == 1 and headers[0].bands and not gray:
        return counts.pop()
    return 1 if gray or all(header.gray for header in headers) else 3


def photos_of(array: Any, channels: int) -> tuple[list[Photo], bool]:
    """The photos of an array or a tensor for a network of so many channels, and whether it has an axis of images.

    Raises BadInput for an array of other axes, or of no numbers.
    """
    if channels in (1, 3):
        return photos_from_array(array)[0], "N" in image_axes(tuple(np.shape(array)))
    values = array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)
    color = 3 if channels > 3 else 1
    photos = [Photo(item[..., :color], bands=item[..., color:]) for item in samples_of(values, channels)]
    return photos, values.ndim == 4


def samples_of(array: np.ndarray, channels: int) -> np.ndarray:
    """N×H×W×C of an array of one image or several of so many channels, a view. Raises BadInput for another array."""
    fitting = [axes for axes in ("HWC", "CHW", "NHWC", "NCHW") if len(axes) == array.ndim]
    axes = next((axes for axes in fitting if array.shape[axes.index("C")] == channels), "")
    if not axes or 0 in array.shape or array.dtype.kind not in "uif":
        accepted = f"H×W×{channels}, {channels}×H×W and several of these are accepted"
        raise BadInput(
            f"an array of {times(array.shape)} of {array.dtype}, but this run takes {channels} channels: {accepted}"
        )
    return to_images(array, axes)


def planes_of(photo: Photo, channels: int, name: str) -> np.ndarray:
    """C×H×W of a photo in its own dtype: gray, color, or with all bands; transparent pixels over white.

    Raises BadInput for a photo that has not as many channels as more than three, and for NaN.
    """
    if photo.pixels.dtype.kind == "f" and not np.isfinite(photo.pixels).all():
        raise BadInput(f"{name}: holds NaN or infinite values; finite numbers are accepted")
    planes = np.moveaxis(photo.pixels, -1, 0)
    if channels not in (1, 3):
        planes = planes if photo.bands is None else np.concatenate([planes, np.moveaxis(photo.bands, -1, 0)])
        if len(planes) != channels:
            raise BadInput(f"{name}: has {len(planes)} channels, but this run takes {channels}")
        return planes
    if photo.bands is not None:
        text = f"{name}: {photo.bands.shape[-1]} channels besides color are not used by this run of {channels} channels"
        warnings.warn(text, Note, stacklevel=3)
    if photo.alpha is not None and photo.alpha.min() < full_range(photo.alpha.dtype)[1]:
        planes = flattened(np.concatenate([np.repeat(planes, 3 // len(planes), 0), photo.alpha[None]]))
    return to_channels(planes, channels)


def range_of(planes: np.ndarray, normalize: str) -> tuple[float, float]:
    """The values of an image C×H×W that are 0 and 1 to the network.

    normalize: "none": the range of the dtype, 0..1 for floats; "image": percentiles 1 and 99.8 of the image; "auto":
    "none" for 8 bits and "image" for all others, whose white level no file states reliably. A constant image has the
    range of its dtype.
    """
    full = full_range(planes.dtype)
    if normalize == "none" or (normalize == "auto" and planes.dtype == np.uint8):
        return full
    step = max(1, int((planes[0].size / SAMPLED) ** 0.5))
    low, high = np.percentile(planes[:, ::step, ::step], (LOW, HIGH))
    return (float(low), float(high)) if high > low else full


def to_stored(planes: np.ndarray, range: tuple[float, float], deep: bool) -> np.ndarray:
    """Values scaled from `range` to 0..255 in uint8 or, if `deep`, 0..65535 in uint16: how patches are stored."""
    dtype: Any = np.uint16 if deep else np.uint8
    if planes.dtype == np.uint8 and range == (0.0, 255.0):
        return planes.astype(dtype) * dtype(257) if deep else planes
    low, high = range
    unit = (planes.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.rint(np.clip(unit, 0, 1) * np.iinfo(dtype).max).astype(dtype)
