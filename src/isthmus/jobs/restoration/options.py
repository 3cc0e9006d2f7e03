"""What the verbs of restoration take, what they make of one picture, and the names of the files that come of it."""

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
    """What all verbs of restoration take besides their own.

    model: a shipped one by name, a run folder or a model; by default the shipped one that fits. out: a file for a file,
    a folder for a folder. best: the mean over eight ways to turn the picture. white: the number that is white, such as
    4095 for 12 bits in 16, instead of one that each picture tells. side_by_side: a picture of before and after, too.
    truth: the picture, or folder of them, to compare with. split, first: of a folder or a set only that part, and of
    that only so many. format: of the pictures in a folder, such as jpg; by default png, or what the input needs.
    jpeg_quality: 1 to 100, 95 by default. resume: what is there is left, and the rest done. each: called with the
    figures of each picture.
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
    """What became of a picture: before is what it is to be compared with, in the size of the result.

    untouched: whether it is the picture as it was read. border: where it was enlarged, what is left out at each edge of
    the luma, which alone is compared then.
    """

    after: Photo
    before: Photo
    figures: dict[str, Any] = field(default_factory=dict)
    changed: np.ndarray | None = None  # H×W bool: the hole or the mask; None: everywhere
    border: int | None = None
    untouched: bool = False


RestoreFn = Callable[[Photo, str], RestoreResult]
OutputPaths = tuple[str, str, str]


def known(how: RestoreOptions) -> None:
    """Raise TypeError for an option that there is not, BadInput for two that say the opposite."""
    if strange := set(how) - set(RestoreOptions.__annotations__):
        raise TypeError(f"unexpected argument {min(strange)!r}; there are {', '.join(RestoreOptions.__annotations__)}")
    if how.get("force") and how.get("resume"):
        raise BadInput("force writes over what is there, and resume leaves it: name one of the two")
    check_format(how.get("out"), how.get("format"), how.get("jpeg_quality"))


def places_of(results: list[str], sources: list[str] | None = None) -> list[OutputPaths]:
    """The names of each result, its mask and the two side by side, all different; sources: the names of the inputs."""
    ends = ("-mask.png", "-side-by-side.png")
    results = unique_names(results, sources)
    names = unique_names(results + [str(PurePosixPath(name).with_suffix("")) + end for end in ends for name in results])
    count = len(results)
    return list(zip(names[:count], names[count : 2 * count], names[2 * count :], strict=True))


def used(places: OutputPaths, how: RestoreOptions, save_mask: bool) -> list[str]:
    """Those of the three that will be written."""
    wanted = (True, save_mask, how.get("side_by_side"))
    return [place for place, want in zip(places, wanted, strict=True) if want]
