"""Applies a model to a photo, and handles color hidden by alpha and DICOM windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.inference.image import restore_array
from isthmus.jobs.restoration.options import RestoreOptions
from isthmus.jobs.restoration.upscaling import resize_cubic
from isthmus.jobs.restoration.value_range import window_of
from isthmus.media.hidden_color import fill_hidden, keep_hidden
from isthmus.media.image_file import Photo


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
