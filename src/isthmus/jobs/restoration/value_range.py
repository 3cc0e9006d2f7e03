"""Which numbers of a photo are 0 and 1 to the model that restores it; the result is in the same numbers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from isthmus.autoencoder import Autoencoder
from isthmus.data.base import by_column, ends_of, range_of
from isthmus.data.preparation import trained_type
from isthmus.errors import BadInput, Note
from isthmus.jobs.restoration.options import RestoreOptions
from isthmus.media.bit_depth import full_range, own_range
from isthmus.media.dicom.window import window_in
from isthmus.media.image_file import Photo


def ranged(photo: Photo, model: Any, how: RestoreOptions) -> Photo:
    """The photo with its range: `white`, or its own (of a film), or that of a run on numbers of this type in units or
    of more than 8 bits, or the least and greatest value of a DICOM, or what `own_range` finds, with a Note. Where
    the file says which number is white, 0 and all of 16 bits stand for a run's 0 and white, and for what is found.

    Raises BadInput for a white that is none.
    """
    white, dtype = how.get("white"), photo.pixels.dtype
    if white is not None:
        if not white > 0:
            raise BadInput(f"white is {white:g}: a number above 0 is accepted, such as 4095 for 12 bits")
        return photo.replace(range=(0.0, float(white)))
    if photo.range is not None:
        return photo
    if (trained := range_of_run(model, dtype)) is not None:
        if photo.stated and trained[0] == 0:
            return photo.replace(range=full_range(dtype))
        own = own_range(photo.pixels)
        if dtype == np.uint16 and trained[0] == 0 and own[1] != trained[1]:
            values = f"values up to {int(photo.pixels.max())} for a run whose white is {trained[1]:g}"
            warnings.warn(f"{values}; --white {own[1]:g} reads them as the run read its own", Note, stacklevel=5)
        return photo.replace(range=trained)
    if photo.info.dicom is not None and dtype == np.uint16:
        return photo.replace(range=(float(photo.pixels.min()), float(photo.pixels.max())))
    low, high = full_range(dtype) if photo.stated else own_range(photo.pixels)
    if dtype == np.uint16 and (low, high) != full_range(dtype):
        bits = int(high + 1).bit_length() - 1
        told = f"{bits} bits in 16: white is read as {high:g}; --white names another"
        warnings.warn(told, Note, stacklevel=5)
    elif (low, high) not in (full_range(dtype), (0.0, 1.0)):
        told = f"{dtype.name} values from {low:g} to {high:g} are scaled to 0..1 for the model, and back"
        warnings.warn(told, Note, stacklevel=5)
    return photo.replace(range=(low, high))


def range_of_run(model: Any, dtype: np.dtype) -> tuple[float, float] | None:
    """The range of a run that was trained on numbers of this type, other than bytes and floats in 0..1; else None."""
    like = model.about.get("input", {}) if isinstance(model, Autoencoder) else {}
    if "range" not in like or by_column(range_of(like)) or trained_type(like) != dtype.name:
        return None
    ends = ends_of(range_of(like))
    return None if dtype == np.uint8 or ends == (0.0, 1.0) else ends


def window_of(photo: Photo) -> tuple[float, float] | None:
    """The window of a DICOM, in the numbers of its pixels, where it shows less than they hold; else None."""
    if photo.info.dicom is None or photo.pixels.dtype != np.uint16 or photo.range is None:
        return None
    window, (low, high) = window_in(photo.info.dicom), photo.range
    if window is None or window[1] <= low or window[0] >= high:
        return None
    window = (max(window[0], low), min(window[1], high))
    return window if window[1] - window[0] < 0.9 * (high - low) else None
