"""Which pixels are to be filled: a mask as people make them, white or see-through where the hole is."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from isthmus.data.folders import find_pictures
from isthmus.errors import BadInput, Note
from isthmus.media.dicom.reader import has_no_suffix
from isthmus.media.image_file import Photo, read_photo
from isthmus.media.resize import to_channels


def partner(place: Path | str, what: str) -> Callable[[str], Path]:
    """From the name of a picture to the file that goes with it: `place` itself, or the one of that name in a folder.

    Names count without suffix, so that masks/a.png goes with a.jpg. Raises BadInput where there is none.
    """
    place = Path(place)
    if not place.is_dir():
        return lambda name: place
    files = {without_suffix(file): place / file for file in find_pictures(place)[0]}

    def find(name: str) -> Path:
        key = without_suffix(name)
        if key not in files:
            raise BadInput(f"{name}: there is no {what} of this name in {place}")
        return files[key]

    return find


def without_suffix(name: str) -> str:
    return name if has_no_suffix(name) else str(PurePosixPath(name).with_suffix(""))


def hole_of(mask: Photo, shown: str, *, threshold: float = 0.5, invert: bool = False, dilate: int = 0) -> np.ndarray:
    """H×W bool, true in the hole: where the mask is see-through, or, being so nowhere, above `threshold` of white.

    Of a mask with two values on one side of the threshold (0 and 1, a red stroke on black) the higher is the hole.
    invert: the rest is the hole. dilate: the hole grows by that many pixels to each side. A Note tells where alpha or
    the higher of two values decided: strokes on a clear layer would be the other way round. Raises BadInput for a mask
    that is neither black nor of two values and nowhere above the threshold.
    """
    if mask.alpha is not None and (hole := unit(mask.alpha) < threshold).any():
        told = f"{shown}: its see-through part, {hole.mean():.0%} of it, is the hole; --invert takes the rest"
        warnings.warn(told, Note, stacklevel=3)
    else:
        gray = to_channels(np.moveaxis(mask.pixels, -1, 0), 1)[0]
        hole = unit(gray) > threshold
        if not hole.any() or hole.all():
            hole = _higher_of_two(mask.pixels.max(-1), hole, shown, threshold)
    return grown(~hole if invert else hole, dilate)


def _higher_of_two(values: np.ndarray, hole: np.ndarray, shown: str, threshold: float) -> np.ndarray:
    """The hole H×W of a mask whose values all lie on one side of the threshold; see hole_of."""
    low, high, white = int(values.min()), int(values.max()), np.iinfo(values.dtype).max
    if low < high and ((values == low) | (values == high)).all():
        told = f"{shown}: holds {low} and {high} alone, of {white}; {high} is the hole, --invert takes {low}"
        warnings.warn(told, Note, stacklevel=4)
        return np.asarray(values == high)
    if high and not hole.any():
        raise BadInput(
            f"{shown}: no luma is above {threshold:.0%} of white (the brightest is {high} of {white}); a mask that "
            "is white in the hole, one of two values, or a lower threshold is accepted"
        )
    return hole


def checked(hole: np.ndarray, photo: Photo, shown: str) -> np.ndarray:
    """The hole of a picture; raises BadInput where it has another size, or leaves nothing to fill it from.

    A Note tells where there is no hole.
    """
    if hole.shape != photo.size:
        (height, width), (high, wide) = hole.shape, photo.size
        raise BadInput(f"{shown}: {width}×{height} pixels, but the picture {wide}×{high}; the same size is accepted")
    if hole.all():
        raise BadInput(f"{shown}: the hole is the whole picture, so there is nothing to fill it from (see --invert)")
    if not hole.any():
        warnings.warn(f"{shown}: has no hole, so the picture stays as it is", Note, stacklevel=3)
    return hole


def grown(hole: np.ndarray, by: int) -> np.ndarray:
    """H×W bool, true within `by` pixels of where it was, along both sides."""
    for axis in (0, 1):
        side, done = hole.shape[axis], 0
        while done < min(by, side):
            step = min(
                done + 1, by - done, side
            )  # no wider than what is there already, also at an edge: no gap is left
            wider = hole.copy()
            np.moveaxis(wider, axis, 0)[step:] |= np.moveaxis(hole, axis, 0)[: side - step]
            np.moveaxis(wider, axis, 0)[: side - step] |= np.moveaxis(hole, axis, 0)[step:]
            hole, done = wider, done + step
    return hole


FRAME = re.compile(r" frame (\d+)$")


def frame_name(film: str, number: int) -> str:
    """Name of a frame of a film, the first one being 1: by it masks are found, and errors tell it."""
    return f"{film} frame {number}"


def numbered(folder: Path) -> dict[int, Path]:
    """The pictures in a folder by the last number in their names, moved to count from 1 where they do from 0.

    Raises BadInput where none has a number.
    """
    names = {name: re.findall(r"\d+", PurePosixPath(name).stem) for name in find_pictures(folder)[0]}
    files = {int(numbers[-1]): folder / name for name, numbers in names.items() if numbers}
    if not files:
        raise BadInput(f"{folder}: no mask there has a number in its name, which would tell its frame")
    return {number + (0 in files): file for number, file in files.items()}


def mask_for(mask: Any, *, folder: bool = False) -> Callable[[Photo, str], tuple[Photo, str]]:
    """From a picture and its name to its mask and the name of that; None: the picture's own alpha is its mask.

    The frames of a film in a `folder` have theirs, by number, in a folder with the film's name, or one picture of that
    name for all; a film alone has them in the folder of masks itself.
    """
    if mask is None:
        return own_alpha
    if not isinstance(mask, (str, Path)):
        return lambda photo, name: (mask_of_array(mask), "the mask")
    find = partner(mask, "mask")

    @cache
    def frames(film: str) -> dict[int, Path] | None:
        place = Path(mask) / without_suffix(film) if folder else Path(mask)
        return numbered(place) if place.is_dir() else None

    def of(photo: Photo, name: str) -> tuple[Photo, str]:
        frame = FRAME.search(name)
        film = name[: frame.start()] if frame else name
        files = frames(film) if frame else None
        if frame is None or files is None:
            return read_photo(find(film)), str(find(film))
        path = files.get(int(frame[1]))
        return (Photo(np.zeros((*photo.size, 1), np.uint8)), name) if path is None else (read_photo(path), str(path))

    return of


def own_alpha(photo: Photo, name: str) -> tuple[Photo, str]:
    if photo.alpha is None:
        raise BadInput(f"{name}: has no see-through part that could be the hole; --mask names a picture of it")
    return photo.replace(pixels=np.zeros((*photo.size, 1), np.uint8)), name  # how bright the picture is says nothing


def mask_of_array(mask: Any) -> Photo:
    """H×W of bool, 0..1, 0..255, 0..65535 or any two values as a gray photo; high is the hole. Raises BadInput."""
    values = np.asarray(mask)
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[-1]):
        values = values.squeeze(0 if values.shape[0] == 1 else -1)
    if values.ndim != 2 or values.dtype.kind not in "buif":
        raise BadInput(f"a mask of shape {values.shape}: H×W is accepted, or the path of a picture")
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    if low < high and ((values == low) | (values == high)).all():
        values, low, high = values == high, 0, 1
    highest = 1 if values.dtype.kind in "bf" or high <= 1 else 255 if high <= 255 else 65535
    if not (low >= 0 and high <= highest):
        raise BadInput(
            f"a mask of values from {low:g} to {high:g}: bool, 0..1, 0..255, 0..65535 or any two values are accepted"
        )
    return Photo(np.rint(values.astype(np.float32) * (255 / highest)).astype(np.uint8)[..., None])


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.float32(np.iinfo(values.dtype).max)
