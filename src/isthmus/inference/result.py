"""The result of a verb for one image: the image, further outputs by name, and metrics."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from isthmus.errors import BadInput
from isthmus.media.image_file import Photo, write_photo
from isthmus.media.video.base import Film


class RunOptions(TypedDict, total=False):
    """The options of every verb that runs on images.

    model: the name of a shipped model, a run folder or a model. out: a file for a file, a folder for a folder. split,
    first: select items of a folder or data set. format: of the images in an output folder, such as jpg; by default png,
    or what the input needs. jpeg_quality: 1 to 100, 95 by default. resume: keep existing results. each: called with the
    metrics of each image. skip: called with the name of each file that cannot be processed, and the reason.
    """

    model: Any
    out: Path | str | None
    split: str | None
    first: int | None
    format: str | None
    jpeg_quality: int | None
    force: bool
    resume: bool
    each: Callable[[dict[str, Any]], None] | None
    skip: Callable[[str, str], None] | None


@dataclass
class Result:
    """The result for one image. outputs: a value for each kind of output that the verb declares to `run`.

    unchanged: the image equals the input, which the runner finds out.
    """

    image: Photo
    figures: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    unchanged: bool = False


@dataclass(frozen=True)
class Kind:
    """How an output becomes a file next to the image. ending: of its name, as in photo-mask.png."""

    ending: str
    write: Callable[[Path, Any], object]


def write_mask(path: Path, mask: np.ndarray | None) -> None:
    """Write H×W bool as a gray PNG of 0 and 255. Raises BadInput without a mask."""
    if mask is None:
        raise BadInput(f"{path}: this model predicts no mask that could be saved")
    write_photo(path, Photo(mask[..., None].astype(np.uint8) * np.uint8(255)))


MASK = Kind("-mask.png", write_mask)
Apply = Callable[[Photo, str], Result]  # an image and its name -> the result
FilmContext = Callable[[Film, str], AbstractContextManager[tuple[Apply, Callable[[], dict[str, Any]]]]]
