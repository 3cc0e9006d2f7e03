"""The value range of a photo: the pixel values that are 0 and 1 to the model. Results have the same range."""

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
