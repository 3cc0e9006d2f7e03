"""Restores one image, measures the time, and compares the result with the ground truth."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.errors import Note
from isthmus.jobs.restoration.array_source import photos_from_array
from isthmus.jobs.restoration.comparison import scores, scores_y
from isthmus.jobs.restoration.dataset_source import is_data_set, open_images, photo_reader
from isthmus.jobs.restoration.masks import matching_file
from isthmus.jobs.restoration.options import RestoreFn, RestoreOptions, RestoreResult
from isthmus.jobs.restoration.unchanged import is_unchanged
from isthmus.media.bit_depth import full_range, own_range, rescale
from isthmus.media.image_file import Photo, read_photo

FLOAT = np.dtype(np.float32)


def restore_and_score(restore: RestoreFn, photo: Photo, name: str, options: RestoreOptions) -> RestoreResult:
    """Restore an image and compute its metrics, with a ground truth also PSNR and SSIM; they are passed to `each`."""
    start = time.perf_counter()
    result = restore(photo, name)
    if photo.bands is not None:
        _through_bands(photo, photo.bands, restore, name, result)
    result.is_unchanged = is_unchanged(photo, result.after)
    height, width = result.after.size
    result.figures = {"file": name, "width": width, "height": height, **result.figures}
    result.figures["seconds"] = time.perf_counter() - start
    if options["truth"]:
        truth, region, border = options["truth"](name).pixels, result.changed, result.border
        range, dtype = result.after.range, result.after.pixels.dtype
        if range not in (None, full_range(dtype)):  # metrics are computed on shares of white
            truth = rescale(truth, range if truth.dtype == dtype else own_range(truth), FLOAT)
        for photo, ending in ((result.after, ""), (result.before, "_before")):
            values = photo.pixels if range in (None, full_range(dtype)) else rescale(photo.pixels, range, FLOAT)
            metrics_of_image = scores(values, truth, region) if border is None else scores_y(values, truth, border)
            result.figures |= {f"{key}{ending}": value for key, value in metrics_of_image.items()}
    if callback := options.get("each"):
        callback(result.figures)
    return result


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


def truth_loader(truth: Any) -> Callable[[str], Photo] | None:
    """A function from the name of an image to its ground truth; None without one."""
    if truth is None:
        return None
    if is_data_set(truth):
        return photo_reader(open_images(truth))
    if isinstance(truth, (str, Path)):
        path_for = matching_file(truth, "truth")
        return lambda name: read_photo(path_for(name))
    photos = photos_from_array(truth)[0]
    return lambda name: photos[int(name)] if len(photos) > 1 else photos[0]
