"""The options of the restoration verbs, and the result for one image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from isthmus.inference.result import RunOptions
from isthmus.media.photo import Photo


class RestoreOptions(RunOptions, total=False):
    """Options shared by all restoration verbs, besides those of RunOptions.

    model: by default a shipped model chosen by the input. best: average over the eight rotations and reflections.
    white: the pixel value of white, such as 4095 for 12 bits in 16; by default found in each image. side_by_side: also
    write an image of before and after. truth: the ground truth, an image or a folder.
    """

    best: bool
    white: float | None
    side_by_side: bool
    truth: Any
    device: str


@dataclass
class RestoreResult:
    """The result for one image; before: the input, in the size of the result, for comparison.

    border: of an enlarged image, left out of its scores.
    """

    after: Photo
    before: Photo
    figures: dict[str, Any] = field(default_factory=dict)
    changed: np.ndarray | None = None  # H×W bool: the hole or the mask; None: everywhere
    border: int | None = None


RestoreFn = Callable[[Photo, str], RestoreResult]
