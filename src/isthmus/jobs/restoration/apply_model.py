"""What a model makes of a photo: hidden color and the window of a DICOM are seen to here."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.inference.image import restore_array
from isthmus.jobs.restoration.options import RestoreOptions
from isthmus.jobs.restoration.upscaling import resized
from isthmus.jobs.restoration.value_range import window_of
from isthmus.media.hidden_color import fill_hidden, keep_hidden
from isthmus.media.image_file import Photo


def by_model(
    model: Any, photo: Photo, how: RestoreOptions, *, reveals: bool = False, **keys: Any
) -> tuple[np.ndarray, np.ndarray | None]:
    """A photo as `restored` gives it, which sees no color that alpha hides. That stays as it was, unless the result
    `reveals` it, and so does all that the model does not change."""
    pixels, changed = restore_array(model, fill_hidden(photo), best=how.get("best", False), range=photo.range, **keys)
    pixels = pixels if changed is None else np.where(changed[..., None], pixels, photo.pixels)
    return pixels if reveals else keep_hidden(pixels, photo), changed


def in_window(model: Any, photo: Photo, pixels: np.ndarray, how: RestoreOptions, strength: float) -> np.ndarray:
    """What a window of a DICOM shows is denoised as it shows it, in which noise is many times as strong.

    The rest is `pixels`, which the whole range has given; with a named model, which may have been trained on what
    windows show, and not on whole ranges, it stays as it was.
    """
    window = window_of(photo)
    if window is None or how.get("white") is not None:
        return pixels
    inside = (photo.pixels > window[0]) & (photo.pixels < window[1])
    seen = photo.replace(pixels=np.clip(photo.pixels, *np.rint(window).astype(photo.pixels.dtype)), range=window)
    found, _ = by_model(model, seen, how, strength=strength)
    return np.where(inside, found, pixels if how.get("model") is None else photo.pixels)


def before(photo: Photo, after: Photo, how: RestoreOptions) -> Photo:
    """What the result is compared with, in its size, where it is."""
    compared = how.get("side_by_side") or how.get("truth") is not None
    return photo.replace(pixels=resized(photo.pixels, after.size)) if compared else photo
