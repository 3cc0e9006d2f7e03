"""The work on one picture, timed, and its result beside the truth."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.errors import Note
from isthmus.jobs.restoration.array_source import photos_of
from isthmus.jobs.restoration.comparison import scores, scores_y
from isthmus.jobs.restoration.dataset_source import is_set, open_set, reader
from isthmus.jobs.restoration.masks import partner
from isthmus.jobs.restoration.options import RestoreFn, RestoreOptions, RestoreResult
from isthmus.jobs.restoration.unchanged import untouched
from isthmus.media.bit_depth import full_range, own_range, rescale
from isthmus.media.image_file import Photo, read_photo

FLOAT = np.dtype(np.float32)


def judged(work: RestoreFn, photo: Photo, name: str, how: RestoreOptions) -> RestoreResult:
    """The work on one picture, timed and compared with the truth where there is one; `each` is told its figures."""
    began = time.perf_counter()
    done = work(photo, name)
    if photo.bands is not None:
        _through_bands(photo, photo.bands, work, name, done)
    done.untouched = untouched(photo, done.after)
    height, width = done.after.size
    done.figures = {"file": name, "width": width, "height": height, **done.figures}
    done.figures["seconds"] = time.perf_counter() - began
    if how["truth"]:
        truth, place, border = how["truth"](name).pixels, done.changed, done.border
        range, dtype = done.after.range, done.after.pixels.dtype
        if range not in (None, full_range(dtype)):  # figures are of shares of white
            truth = rescale(truth, range if truth.dtype == dtype else own_range(truth), FLOAT)
        for photo, ending in ((done.after, ""), (done.before, "_before")):
            own = photo.pixels if range in (None, full_range(dtype)) else rescale(photo.pixels, range, FLOAT)
            found = scores(own, truth, place) if border is None else scores_y(own, truth, border)
            done.figures |= {f"{key}{ending}": value for key, value in found.items()}
    if told := how.get("each"):
        told(done.figures)
    return done


def _through_bands(photo: Photo, bands: np.ndarray, work: RestoreFn, name: str, done: RestoreResult) -> None:
    """The work on each channel besides color, by itself, as on a gray picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Note)  # which was told of the color
        each = [work(Photo(bands[..., [place]], photo.alpha), name) for place in range(bands.shape[-1])]
    done.after = done.after.replace(bands=np.concatenate([one.after.pixels for one in each], -1))
    if done.changed is not None:
        done.changed = np.logical_or.reduce([one.changed for one in (done, *each) if one.changed is not None])


def truths(truth: Any) -> Callable[[str], Photo] | None:
    """From the name of a picture to what it should be."""
    if truth is None:
        return None
    if is_set(truth):
        return reader(open_set(truth))
    if isinstance(truth, (str, Path)):
        find = partner(truth, "truth")
        return lambda name: read_photo(find(name))
    photos = photos_of(truth)[0]
    return lambda name: photos[int(name)] if len(photos) > 1 else photos[0]
