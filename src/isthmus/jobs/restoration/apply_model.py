"""A model applied to a photo: its value range, color hidden by alpha, and the window of a DICOM.

The range is the pixel values that are 0 and 1 to the model; a result has the same range.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from isthmus.autoencoder import Autoencoder
from isthmus.errors import BadInput, Note
from isthmus.fields import by_column, ends_of, range_of, trained_type
from isthmus.inference.image import resize_cubic, restore_array
from isthmus.jobs.restoration.options import RestoreOptions
from isthmus.media.bit_depth import full_range, own_range
from isthmus.media.dicom.window import window_in
from isthmus.media.photo import Photo


def apply_model(
    model: Any, photo: Photo, options: RestoreOptions, *, reveals: bool = False, **keys: Any
) -> tuple[np.ndarray, np.ndarray | None]:
    """Apply restore_array to a photo. Color hidden by alpha is replaced first, and put back unless the result `reveals`
    it; pixels that the model does not change stay unchanged to the bit."""
    pixels, changed = restore_array(
        model, fill_hidden(photo), best=options.get("best", False), range=photo.range, **keys
    )
    pixels = pixels if changed is None else np.where(changed[..., None], pixels, photo.pixels)
    return pixels if reveals else keep_hidden(pixels, photo), changed


def apply_in_window(
    model: Any, photo: Photo, pixels: np.ndarray, options: RestoreOptions, strength: float
) -> np.ndarray:
    """Denoise the value range shown by the window of a DICOM separately, because noise is many times stronger in it.

    Values outside of the window are `pixels`, the result for the full range; with a model named by the user, which may
    have been trained on windows only, they stay unchanged.
    """
    window = window_of(photo)
    if window is None or options.get("white") is not None:
        return pixels
    inside = (photo.pixels > window[0]) & (photo.pixels < window[1])
    shown = photo.replace(pixels=np.clip(photo.pixels, *np.rint(window).astype(photo.pixels.dtype)), range=window)
    restored, _ = apply_model(model, shown, options, strength=strength)
    return np.where(inside, restored, pixels if options.get("model") is None else photo.pixels)


def comparison_image(photo: Photo, after: Photo, options: RestoreOptions) -> Photo:
    """The input in the size of the result, if the two are compared."""
    compared = options.get("side_by_side") or options.get("truth") is not None
    return photo.replace(pixels=resize_cubic(photo.pixels, after.size)) if compared else photo


def with_range(photo: Photo, model: Any, options: RestoreOptions) -> Photo:
    """The photo with its range. The first that applies: `white`; the photo's own range (of a video); the range of a run
    trained on this dtype in units or in more than 8 bits; the extremes of a DICOM; the result of own_range, with a
    Note. If the file states its white, the photo is scaled to 16 bits already, and 0..65535 replaces the last ones.

    Raises BadInput for a white that is not above 0.
    """
    white, dtype = options.get("white"), photo.pixels.dtype
    if white is not None:
        if not white > 0:
            raise BadInput(f"white is {white:g}: a number above 0 is accepted, such as 4095 for 12 bits")
        return photo.replace(range=(0.0, float(white)))
    if photo.range is not None:
        return photo
    if (range_of_training := range_of_run(model, dtype)) is not None:
        if photo.stated and range_of_training[0] == 0:
            return photo.replace(range=full_range(dtype))
        found = own_range(photo.pixels)
        if dtype == np.uint16 and range_of_training[0] == 0 and found[1] != range_of_training[1]:
            values = f"values up to {int(photo.pixels.max())} for a run whose white is {range_of_training[1]:g}"
            warnings.warn(
                f"{values}; --white {found[1]:g} scales them as in the training of the run", Note, stacklevel=5
            )
        return photo.replace(range=range_of_training)
    if photo.info.dicom is not None and dtype == np.uint16:
        return photo.replace(range=(float(photo.pixels.min()), float(photo.pixels.max())))
    low, high = full_range(dtype) if photo.stated else own_range(photo.pixels)
    if dtype == np.uint16 and (low, high) != full_range(dtype):
        bits = int(high + 1).bit_length() - 1
        text = f"{bits} bits in 16: white is read as {high:g}; --white sets another"
        warnings.warn(text, Note, stacklevel=5)
    elif (low, high) not in (full_range(dtype), (0.0, 1.0)):
        text = f"{dtype.name} values from {low:g} to {high:g} are scaled to 0..1 for the model, and back"
        warnings.warn(text, Note, stacklevel=5)
    return photo.replace(range=(low, high))


def range_of_run(model: Any, dtype: np.dtype) -> tuple[float, float] | None:
    """The range of a run trained on this dtype, unless it is bytes or floats in 0..1; else None."""
    like = model.about.get("input", {}) if isinstance(model, Autoencoder) else {}
    if "range" not in like or by_column(range_of(like)) or trained_type(like) != dtype.name:
        return None
    ends = ends_of(range_of(like))
    return None if dtype == np.uint8 or ends == (0.0, 1.0) else ends


def window_of(photo: Photo) -> tuple[float, float] | None:
    """The window of a DICOM in pixel values, if it is narrower than their range; else None."""
    if photo.info.dicom is None or photo.pixels.dtype != np.uint16 or photo.range is None:
        return None
    window, (low, high) = window_in(photo.info.dicom), photo.range
    if window is None or window[1] <= low or window[0] >= high:
        return None
    window = (max(window[0], low), min(window[1], high))
    return window if window[1] - window[0] < 0.9 * (high - low) else None


def fill_hidden(photo: Photo) -> np.ndarray:
    """The pixels H×W×C of a photo, each with alpha 0 replaced by the mean color of the nearest visible pixels.

    The photo's own pixels if none are hidden, or none visible.
    """
    if photo.alpha is None:
        return photo.pixels
    visible = photo.alpha > 0
    if visible.all() or not visible.any():
        return photo.pixels
    return _push_pull(photo.pixels, visible)


def keep_hidden(pixels: np.ndarray, photo: Photo) -> np.ndarray:
    """H×W×C of the size of a photo, with the photo's own pixels where its alpha is 0."""
    if photo.alpha is None or (photo.alpha > 0).all():
        return pixels
    return np.where(photo.alpha[..., None] > 0, pixels, photo.pixels)


def _push_pull(pixels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """H×W×C with each unknown pixel as the mean of the known pixels in its smallest square of 2×2, 4×4, ... with any.

    Squares lie on a grid, so this costs a third more than one pass over the image (Gortler et al. 1996).
    """
    height, width = known.shape
    half_height, half_width = -(-height // 2), -(-width // 2)
    total = np.zeros((half_height, half_width, pixels.shape[-1]), np.float32)
    count = np.zeros((half_height, half_width, 1), np.float32)
    corners = [(slice(top, None, 2), slice(left, None, 2)) for top in (0, 1) for left in (0, 1)]
    for corner in corners:
        part, visible = pixels[corner], known[corner][..., None]
        rows, columns = part.shape[:2]
        total[:rows, :columns] += np.where(visible, part, 0)
        count[:rows, :columns] += visible
    coarse, filled = total / np.maximum(count, 1), count[..., 0] > 0
    if not filled.all():
        coarse = _push_pull(coarse, filled)
    result = pixels.copy()
    for corner in corners:
        part, visible = result[corner], known[corner][..., None]
        rows, columns = part.shape[:2]
        near = coarse[:rows, :columns]
        near = np.rint(near) if pixels.dtype.kind == "u" else near
        result[corner] = np.where(visible, part, near.astype(pixels.dtype))
    return result
