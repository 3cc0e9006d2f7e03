"""What the restoration of a film adds to that of its frames: one model for all, their ground truth, and flicker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from isthmus.errors import BadInput
from isthmus.inference.result import Apply, Result
from isthmus.jobs.restoration.flicker import Flicker
from isthmus.jobs.restoration.options import RestoreFn, RestoreOptions
from isthmus.jobs.restoration.scores import restore_and_score
from isthmus.media.image_file import Photo
from isthmus.media.video.base import Film
from isthmus.media.video.open import open_video


@contextmanager
def restoring_film(
    film: Film,
    name: str,
    restore: RestoreFn,
    options: RestoreOptions,
    context: Callable[[Film], AbstractContextManager[None]],
) -> Iterator[tuple[Apply, Callable[[], dict[str, Any]]]]:
    """Yield the restoration of its frames, and a function that returns their flicker. context: entered meanwhile."""
    truths, range = _truth_frames(options.get("truth"), name), film.range()
    flicker = {"flicker_before": Flicker(), "flicker_after": Flicker()}

    def apply(photo: Photo, frame: str) -> Result:
        truth = None
        if truths is not None and (truth := next(truths, None)) is None:
            raise BadInput(f"{frame}: the truth has fewer frames")
        result = restore_and_score(restore, photo, frame, {**options, "side_by_side": False}, lambda name: truth)
        flicker["flicker_before"].add(photo.pixels, range)
        flicker["flicker_after"].add(result.image.pixels, range)
        return result

    def figures() -> dict[str, Any]:
        return {key: figure for key, one in flicker.items() if (figure := one.figure()) is not None}

    with context(film):
        yield apply, figures


def _truth_frames(truth: Any, name: str) -> Iterator[Photo] | None:
    """The frames of the ground truth: a film, or the film of that name in a folder."""
    if truth is None:
        return None
    if not isinstance(truth, (str, Path)):
        raise BadInput("the truth of a video must be the path of a video")
    path = Path(truth) / name if Path(truth).is_dir() else Path(truth)
    return (frame.photo for frame in open_video(path).frames())
