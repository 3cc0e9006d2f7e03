"""Enlarging a photo by a factor or to any size, in several steps if necessary."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from isthmus.errors import BadInput, Note
from isthmus.inference.image import resize_cubic, restore_array
from isthmus.jobs.restoration.apply_model import fill_hidden, keep_hidden, with_range
from isthmus.jobs.restoration.options import RestoreOptions
from isthmus.jobs.restoration.pretrained import PretrainedModels
from isthmus.media.photo import Photo

FACTORS = (2, 3, 4)
MAX_PIXELS = 2**29  # pixels of a result (1.6 GB): a photo of 33 megapixels enlarged ×4


def make_upscaler(
    scale: int | None, to: str | tuple[int, int] | None, model: Any, options: RestoreOptions
) -> Callable[[Photo, str], Photo]:
    """A function from a photo and its name to the enlarged photo, for upscale. Raises BadInput."""
    if scale is not None and to is not None:
        raise BadInput("scale and to: give only one of them")
    if scale is not None and scale not in FACTORS:
        raise BadInput(f"scale is {scale}: 2, 3 or 4 is accepted; --to WxH enlarges to any size")
    target = None if to is None else size_of(to)
    models = PretrainedModels("upscale", model, options.get("device", "auto"), *_names(scale or 2), scales=True)
    if model is not None and to is None:
        scale_of_model = int(models().scale)
        if scale not in (None, scale_of_model):
            raise BadInput(f"this model enlarges ×{scale_of_model}, not ×{scale}; --to WxH enlarges to any size")
        scale = scale_of_model

    def enlarge(photo: Photo, name: str) -> Photo:
        height, width = photo.size
        size = target or (height * (scale or 2), width * (scale or 2))
        if size[0] <= height and size[1] <= width:
            raise BadInput(f"{name}: already has {width}×{height} pixels, and {size[1]}×{size[0]} are asked for")
        if size[0] * size[1] > MAX_PIXELS:
            raise BadInput(
                f"{name}: {size[1]}×{size[0]} pixels are too many; accepted are {MAX_PIXELS // 10**6} megapixels"
            )
        if abs(size[1] * height / (size[0] * width) - 1) > 0.01:
            warnings.warn(f"{name}: {width}×{height} pixels are stretched to {size[1]}×{size[0]}", Note, stacklevel=5)
        photo = with_range(photo, models(*_names(scale or 2)), options)
        pixels = fill_hidden(photo)
        while pixels.shape[0] < size[0] or pixels.shape[1] < size[1]:
            factor = math.ceil(max(size[0] / pixels.shape[0], size[1] / pixels.shape[1]))
            pixels, _ = restore_array(
                models(*_names(factor)), pixels, best=options.get("best", False), range=photo.range
            )
        alpha = None if photo.alpha is None else resize_cubic(photo.alpha[..., None], size)[..., 0]
        history = " and ".join(filter(None, [photo.done, "enlarged"]))
        rows, columns = (np.arange(new) * old // new for new, old in zip(size, photo.size, strict=True))
        enlarged = photo.replace(alpha=alpha, done=history)
        if alpha is not None:  # color hidden by alpha is enlarged separately, not mixed with visible color
            enlarged = enlarged.replace(pixels=photo.pixels[rows][:, columns])
        return enlarged.replace(pixels=keep_hidden(resize_cubic(pixels, size), enlarged))

    return enlarge


def _names(factor: int) -> list[str]:
    """The shipped models for a factor, in order of preference: equal, next larger, next smaller."""
    order = sorted(FACTORS, key=lambda scale_of_model: (scale_of_model < factor, abs(scale_of_model - factor)))
    return [f"upscale-{scale_of_model}" for scale_of_model in order]


def size_of(to: str | tuple[int, int]) -> tuple[int, int]:
    """Parse '1920x1080' or (width, height) to (height, width). Raises BadInput."""
    match = re.fullmatch(r"(\d+)\s*[x×X]\s*(\d+)", to.strip()) if isinstance(to, str) else None
    width, height = (int(side) for side in match.groups()) if match else (0, 0) if isinstance(to, str) else to
    if not (0 < width < 2**20 and 0 < height < 2**20):
        raise BadInput(f"to is {to}: a width and a height are accepted, as in 1920x1080")
    return height, width
