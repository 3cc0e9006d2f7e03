"""Inpainting masks: white or transparent in the hole."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from isthmus.data.find_images import find_pictures
from isthmus.data.pairs import without_suffix
from isthmus.errors import BadInput, Note
from isthmus.inference.frames import FRAME
from isthmus.inference.source import matching_file
from isthmus.media.bit_depth import to_shares
from isthmus.media.image_file import read_photo
from isthmus.media.photo import Photo
from isthmus.media.resize import to_channels


def hole_from_mask(
    mask: Photo, label: str, *, threshold: float = 0.5, invert: bool = False, dilate: int = 0
) -> np.ndarray:
    """The hole H×W bool: the transparent pixels of the mask, or without any, those above `threshold` of white.

    If a mask has two values on one side of the threshold (0 and 1, or a red stroke on black), the higher is the hole.
    dilate: grow the hole by that many pixels. A Note reports if alpha or the higher of two values decided, since a mask
    of strokes on a transparent layer means the opposite. Raises BadInput for a mask of more than two values, all below
    the threshold.
    """
    if mask.alpha is not None and (hole := to_shares(mask.alpha) < threshold).any():
        text = f"{label}: the transparent part, {hole.mean():.0%} of the mask, is the hole; --invert inverts it"
        warnings.warn(text, Note, stacklevel=3)
    else:
        gray = to_channels(np.moveaxis(mask.pixels, -1, 0), 1)[0]
        hole = to_shares(gray) > threshold
        if not hole.any() or hole.all():
            hole = _higher_of_two(mask.pixels.max(-1), hole, label, threshold)
    return dilated(~hole if invert else hole, dilate)


def _higher_of_two(values: np.ndarray, hole: np.ndarray, label: str, threshold: float) -> np.ndarray:
    """The hole H×W of a mask whose values all lie on one side of the threshold; see hole_of."""
    low, high, white = int(values.min()), int(values.max()), np.iinfo(values.dtype).max
    if low < high and ((values == low) | (values == high)).all():
        text = (
            f"{label}: has the values {low} and {high}, white being {white}; {high} marks the hole, with --invert {low}"
        )
        warnings.warn(text, Note, stacklevel=4)
        return np.asarray(values == high)
    if high and not hole.any():
        raise BadInput(
            f"{label}: no luma is above {threshold:.0%} of white (the maximum is {high} of {white}); accepted: a mask "
            "that is white in the hole, or has two values, or a lower threshold"
        )
    return hole


def check_hole(hole: np.ndarray, photo: Photo, label: str) -> np.ndarray:
    """Check the hole of an image: BadInput if sizes differ or the hole is the whole image; a Note if it is empty."""
    if hole.shape != photo.size:
        (height, width), (high, wide) = hole.shape, photo.size
        raise BadInput(f"{label}: {width}×{height} pixels, but the image has {wide}×{high}; the same size is accepted")
    if hole.all():
        raise BadInput(f"{label}: the hole is the whole image, so nothing is known to fill it from (see --invert)")
    if not hole.any():
        warnings.warn(f"{label}: has no hole, so the image stays unchanged", Note, stacklevel=3)
    return hole


def dilated(hole: np.ndarray, by: int) -> np.ndarray:
    """H×W bool, dilated by a square of `by` pixels in each direction."""
    for axis in (0, 1):
        length, grown_by = hole.shape[axis], 0
        while grown_by < min(by, length):
            step = min(
                grown_by + 1, by - grown_by, length
            )  # no wider than the mask so far, also at an edge, so that no gap is left
            larger = hole.copy()
            np.moveaxis(larger, axis, 0)[step:] |= np.moveaxis(hole, axis, 0)[: length - step]
            np.moveaxis(larger, axis, 0)[: length - step] |= np.moveaxis(hole, axis, 0)[step:]
            hole, grown_by = larger, grown_by + step
    return hole


def masks_by_frame(folder: Path) -> dict[int, Path]:
    """The images of a folder by the last number in their names, shifted to count from 1 if they count from 0.

    Raises BadInput if no name has a number.
    """
    names = {name: re.findall(r"\d+", PurePosixPath(name).stem) for name in find_pictures(folder)[0]}
    files = {int(numbers[-1]): folder / name for name, numbers in names.items() if numbers}
    if not files:
        raise BadInput(f"{folder}: no mask there has a frame number in its name")
    return {number + (0 in files): file for number, file in files.items()}


def mask_loader(mask: Any, *, folder: bool = False) -> Callable[[Photo, str], tuple[Photo, str]]:
    """A function from an image and its name to its mask and the mask's name; None: the alpha of the image is its mask.

    The masks of a video in a `folder` are numbered files in a folder with the name of the video, or one image of that
    name for all frames; the masks of a single video are in the folder of masks itself.
    """
    if mask is None:
        return alpha_as_mask
    if not isinstance(mask, (str, Path)):
        return lambda photo, name: (mask_of_array(mask), "the mask")
    path_for = matching_file(mask, "mask")

    @cache
    def frames(video: str) -> dict[int, Path] | None:
        path = Path(mask) / without_suffix(video) if folder else Path(mask)
        return masks_by_frame(path) if path.is_dir() else None

    def load(photo: Photo, name: str) -> tuple[Photo, str]:
        frame = FRAME.search(name)
        video = name[: frame.start()] if frame else name
        files = frames(video) if frame else None
        if frame is None or files is None:
            return read_photo(path_for(video)), str(path_for(video))
        path = files.get(int(frame[1]))
        return (Photo(np.zeros((*photo.size, 1), np.uint8)), name) if path is None else (read_photo(path), str(path))

    return load


def alpha_as_mask(photo: Photo, name: str) -> tuple[Photo, str]:
    if photo.alpha is None:
        raise BadInput(f"{name}: has no transparent part that could be the hole; give a mask with --mask")
    return photo.replace(pixels=np.zeros((*photo.size, 1), np.uint8)), name  # only alpha counts


def mask_of_array(mask: Any) -> Photo:
    """A mask array H×W (bool, 0..1, 0..255, 0..65535 or any two values) as a gray photo. Raises BadInput."""
    values = np.asarray(mask)
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[-1]):
        values = values.squeeze(0 if values.shape[0] == 1 else -1)
    if values.ndim != 2 or values.dtype.kind not in "buif":
        raise BadInput(f"a mask of shape {values.shape}: H×W is accepted, or the path of an image")
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    if low < high and ((values == low) | (values == high)).all():
        values, low, high = values == high, 0, 1
    highest = 1 if values.dtype.kind in "bf" or high <= 1 else 255 if high <= 255 else 65535
    if not (low >= 0 and high <= highest):
        raise BadInput(
            f"a mask of values from {low:g} to {high:g}: bool, 0..1, 0..255, 0..65535 or any two values are accepted"
        )
    return Photo(np.rint(values.astype(np.float32) * (255 / highest)).astype(np.uint8)[..., None])
