"""Restores one image, measures the time, and compares the result with the ground truth."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.errors import Note
from isthmus.inference.result import Result
from isthmus.inference.set_source import open_images, photo_reader
from isthmus.inference.source import is_data_set, matching_file, photos_from_array
from isthmus.jobs.restoration.comparison import as_8_bit, caption, scores, scores_y
from isthmus.jobs.restoration.options import RestoreFn, RestoreOptions, RestoreResult
from isthmus.media.bit_depth import full_range, own_range, to_shares
from isthmus.media.image_file import read_photo
from isthmus.media.photo import Photo

Truth = Callable[[str], Photo | None]


def restore_and_score(restore: RestoreFn, photo: Photo, name: str, options: RestoreOptions, truth_of: Truth) -> Result:
    """Restore an image and compute its metrics, with a ground truth also PSNR and SSIM."""
    start = time.perf_counter()
    result = restore(photo, name)
    if photo.bands is not None:
        _through_bands(photo, photo.bands, restore, name, result)
    height, width = result.after.size
    figures = {"file": name, "width": width, "height": height, **result.figures}
    figures["seconds"] = time.perf_counter() - start
    truth = truth_of(name)
    if truth is not None:
        figures |= compare(result, truth)
    outputs: dict[str, Any] = {"mask": result.changed}
    if options.get("side_by_side"):
        outputs["side-by-side"] = panels(result, figures, truth)
    return Result(result.after, figures, outputs)


def compare(result: RestoreResult, truth: Photo) -> dict[str, float]:
    """The metrics of the image before and after; of shares of white."""
    after, full = result.after, full_range(result.after.pixels.dtype)
    if after.deep and after.pixels.dtype == truth.pixels.dtype and after.pixels.dtype != np.uint16:
        after = after.replace(range=own_range(truth.pixels))  # without the noise, whose extremes raise the peak
    scaled = after.range not in (None, full) or truth.pixels.dtype != after.pixels.dtype or after.deep
    pixels = in_shares(truth, after) if scaled else truth.pixels
    figures: dict[str, float] = {}
    for photo, ending in ((after, ""), (result.before, "_before")):
        values = to_shares(photo.pixels, after.range or full) if scaled else photo.pixels
        of_image = (
            scores(values, pixels, result.changed) if result.border is None else scores_y(values, pixels, result.border)
        )
        figures |= {f"{key}{ending}": value for key, value in of_image.items()}
    return figures


def in_shares(truth: Photo, photo: Photo) -> np.ndarray:
    """The ground truth, as shares of the range of `photo`.

    Pixels of one dtype have one unit, unless another white of the truth, such as 12 bits beside a DICOM that is scaled
    to 16, reduces the error to a tenth; a Note names it.
    """
    full = full_range(photo.pixels.dtype)
    range = photo.range or full
    low, high = white = full if photo.stated else range
    own = own_range(truth.pixels)
    by_white = to_shares(low + to_shares(truth.pixels, own) * np.float32(high - low), range)
    if truth.pixels.dtype != photo.pixels.dtype:
        return by_white
    direct = to_shares(truth.pixels, range)
    if own == white or truth.size != photo.size:
        return direct
    values = to_shares(photo.pixels, range).mean(-1)
    errors = [float(np.square(each.mean(-1) - values).mean()) for each in (direct, by_white)]
    if errors[1] > 0.1 * errors[0]:
        return direct
    warnings.warn(f"the truth is read with white {own[1]:g}, the image with {high:g}", Note, stacklevel=5)
    return by_white


def panels(result: RestoreResult, figures: dict[str, Any], truth: Photo | None) -> list[tuple[str, Photo]]:
    """The images before and after, and the ground truth, in 8 bits with their captions."""
    ending = "_before"
    before = {key.removesuffix(ending): value for key, value in figures.items() if key.endswith(ending)}
    images = [(caption("before", before), result.before), (caption("after", figures), result.after)]
    images += [] if truth is None else [("truth", truth)]
    return [(words, as_8_bit(photo, result.after)) for words, photo in images]


def _through_bands(photo: Photo, bands: np.ndarray, restore: RestoreFn, name: str, result: RestoreResult) -> None:
    """Restore each non-color channel separately, as a gray image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Note)  # the color channels gave the same notes
        bands_restored = [restore(Photo(bands[..., [region]], photo.alpha), name) for region in range(bands.shape[-1])]
    result.after = result.after.replace(bands=np.concatenate([one.after.pixels for one in bands_restored], -1))
    if result.changed is not None:
        result.changed = np.logical_or.reduce(
            [one.changed for one in (result, *bands_restored) if one.changed is not None]
        )


def truth_loader(truth: Any) -> Truth:
    """A function from the name of an image to its ground truth, or to None without one."""
    if truth is None:
        return lambda name: None
    if is_data_set(truth):
        return photo_reader(open_images(truth))
    if isinstance(truth, (str, Path)):
        path_for = matching_file(truth, "truth")
        return lambda name: read_photo(path_for(name))
    photos = photos_from_array(truth)[0]
    return lambda name: photos[int(name)] if len(photos) > 1 else photos[0]
