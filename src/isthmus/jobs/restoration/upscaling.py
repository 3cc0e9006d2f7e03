"""A photo with more pixels: by a factor, or of any size, in several steps where one is not enough."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from isthmus.errors import BadInput, Note
from isthmus.inference.image import allocate, restore_array
from isthmus.jobs.restoration.options import RestoreOptions
from isthmus.jobs.restoration.pretrained import PretrainedModels
from isthmus.jobs.restoration.value_range import ranged
from isthmus.media.hidden_color import fill_hidden, keep_hidden
from isthmus.media.image_file import Photo

FACTORS = (2, 3, 4)
MOST = 2**29  # pixels of a result, 1.6 GB of them: a photo of 33 megapixels four times as wide and high


def larger(
    scale: int | None, to: str | tuple[int, int] | None, model: Any, how: RestoreOptions
) -> Callable[[Photo, str], Photo]:
    """From a photo and its name to the photo with more pixels, as upscale has them. Raises BadInput."""
    if scale is not None and to is not None:
        raise BadInput("scale and to: name one of the two")
    if scale is not None and scale not in FACTORS:
        raise BadInput(f"scale is {scale}: 2, 3 or 4 is accepted; --to WxH takes any size")
    wanted = None if to is None else size_of(to)
    models = PretrainedModels("upscale", model, how.get("device", "auto"), *_names(scale or 2), scales=True)
    if model is not None and to is None:
        own = int(models().scale)
        if scale not in (None, own):
            raise BadInput(f"this model enlarges ×{own}, not ×{scale}; --to WxH takes any size")
        scale = own

    def enlarge(photo: Photo, name: str) -> Photo:
        height, width = photo.size
        goal = wanted or (height * (scale or 2), width * (scale or 2))
        if goal[0] <= height and goal[1] <= width:
            raise BadInput(f"{name}: has {width}×{height} pixels already, and {goal[1]}×{goal[0]} are asked for")
        if goal[0] * goal[1] > MOST:
            raise BadInput(f"{name}: {goal[1]}×{goal[0]} pixels are too many; accepted are {MOST // 10**6} megapixels")
        if abs(goal[1] * height / (goal[0] * width) - 1) > 0.01:
            warnings.warn(f"{name}: {width}×{height} pixels are stretched to {goal[1]}×{goal[0]}", Note, stacklevel=5)
        photo = ranged(photo, models(*_names(scale or 2)), how)
        pixels = fill_hidden(photo)
        while pixels.shape[0] < goal[0] or pixels.shape[1] < goal[1]:
            factor = math.ceil(max(goal[0] / pixels.shape[0], goal[1] / pixels.shape[1]))
            pixels, _ = restore_array(models(*_names(factor)), pixels, best=how.get("best", False), range=photo.range)
        alpha = None if photo.alpha is None else resized(photo.alpha[..., None], goal)[..., 0]
        done = " and ".join(filter(None, [photo.done, "enlarged"]))
        rows, columns = (np.arange(new) * old // new for new, old in zip(goal, photo.size, strict=True))
        enlarged = photo.replace(alpha=alpha, done=done)
        if alpha is not None:  # what alpha hides becomes larger, and is not mixed with what shows
            enlarged = enlarged.replace(pixels=photo.pixels[rows][:, columns])
        return enlarged.replace(pixels=keep_hidden(resized(pixels, goal), enlarged))

    return enlarge


def _names(factor: int) -> list[str]:
    """The shipped models for a factor, the best first: this one, the next larger, the next smaller."""
    order = sorted(FACTORS, key=lambda own: (own < factor, abs(own - factor)))
    return [f"upscale-{own}" for own in order]


def size_of(to: str | tuple[int, int]) -> tuple[int, int]:
    """'1920x1080', or (width, height) -> height and width. Raises BadInput."""
    found = re.fullmatch(r"(\d+)\s*[x×X]\s*(\d+)", to.strip()) if isinstance(to, str) else None
    width, height = (int(side) for side in found.groups()) if found else (0, 0) if isinstance(to, str) else to
    if not (0 < width < 2**20 and 0 < height < 2**20):
        raise BadInput(f"to is {to}: a width and a height are accepted, as in 1920x1080")
    return height, width


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """H×W×C to another height and width by a cubic, averaging where it becomes smaller; the same type."""
    from PIL import Image

    if pixels.shape[:2] == size:
        return pixels
    result = allocate((*size, pixels.shape[-1]), pixels.dtype)
    for channel in range(pixels.shape[-1]):
        plane = np.ascontiguousarray(pixels[..., channel])
        image = Image.fromarray(plane if plane.dtype == np.uint8 else plane.astype(np.float32))
        found = np.asarray(image.resize(size[::-1], Image.Resampling.BICUBIC))
        if pixels.dtype.kind != "f" and found.dtype.kind == "f":
            found = np.rint(np.clip(found, np.iinfo(pixels.dtype).min, np.iinfo(pixels.dtype).max))
        result[..., channel] = found
    return result
