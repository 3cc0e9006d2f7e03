"""The options of the restoration verbs, the result for one image, and the names of its output files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

import numpy as np

from isthmus.errors import BadInput
from isthmus.inference.outputs import unique_names
from isthmus.inference.result_names import check_format
from isthmus.media.image_file import Photo


class RestoreOptions(TypedDict, total=False):
    """Options shared by all restoration verbs.

    model: the name of a shipped model, a run folder or a model; by default a shipped model chosen by the input. out: a
    file for a file, a folder for a folder. best: average over the eight rotations and reflections. white: the pixel
    value of white, such as 4095 for 12 bits in 16; by default found in each image. side_by_side: also write an image of
    before and after. truth: the ground truth, an image or a folder. split, first: select items of a folder or data set.
    format: of the images in an output folder, such as jpg; by default png, or what the input needs. jpeg_quality: 1 to
    100, 95 by default. resume: keep existing results. each: called with the metrics of each image.
    """

    model: Any
    out: Path | str | None
    best: bool
    white: float | None
    side_by_side: bool
    truth: Any
    split: str | None
    first: int | None
    format: str | None
    jpeg_quality: int | None
    force: bool
    resume: bool
    device: str
    each: Callable[[dict[str, Any]], None] | None


@dataclass
class RestoreResult:
    """The result for one image; before: the input, in the size of the result, for comparison.

    is_unchanged: the result equals the input. border: of an enlarged image, left out of its scores.
    """

    after: Photo
    before: Photo
    figures: dict[str, Any] = field(default_factory=dict)
    changed: np.ndarray | None = None  # H×W bool: the hole or the mask; None: everywhere
    border: int | None = None
    is_unchanged: bool = False


RestoreFn = Callable[[Photo, str], RestoreResult]
OutputPaths = tuple[str, str, str]


def check_options(options: RestoreOptions) -> None:
    """Raise TypeError for an unknown option, BadInput for contradicting options."""
    if unexpected := set(options) - set(RestoreOptions.__annotations__):
        raise TypeError(
            f"unexpected argument {min(unexpected)!r}; accepted are {', '.join(RestoreOptions.__annotations__)}"
        )
    if options.get("force") and options.get("resume"):
        raise BadInput("force overwrites existing results and resume keeps them: give only one of them")
    check_format(options.get("out"), options.get("format"), options.get("jpeg_quality"))


def output_names(results: list[str], sources: list[str] | None = None) -> list[OutputPaths]:
    """Unique file names for each result, its mask and its side-by-side image; sources: the names of the inputs."""
    ends = ("-mask.png", "-side-by-side.png")
    results = unique_names(results, sources)
    names = unique_names(results + [str(PurePosixPath(name).with_suffix("")) + end for end in ends for name in results])
    count = len(results)
    return list(zip(names[:count], names[count : 2 * count], names[2 * count :], strict=True))


def names_to_write(names: OutputPaths, options: RestoreOptions, save_mask: bool) -> list[str]:
    """The names of the files that will be written."""
    requested = (True, save_mask, options.get("side_by_side"))
    return [name for name, is_wanted in zip(names, requested, strict=True) if is_wanted]
