"""The verbs of restoration on a film, frame by frame: no more than a few frames are ever in memory."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from isthmus.data.selection import several
from isthmus.errors import BadInput
from isthmus.files import check_output
from isthmus.inference.notes import Notes
from isthmus.jobs.restoration import runner
from isthmus.jobs.restoration.flicker import Flicker
from isthmus.jobs.restoration.masks import frame_name
from isthmus.jobs.restoration.options import RestoreFn, RestoreOptions, RestoreResult, known
from isthmus.jobs.restoration.scores import judged
from isthmus.jobs.restoration.unchanged import copy
from isthmus.media.image_file import Photo
from isthmus.media.video.base import Film
from isthmus.media.video.containers import VIDEOS
from isthmus.media.video.open import check_film_name, film_like, is_video, open_video
from isthmus.training.progress import Progress

OfFilm = Callable[[Film], AbstractContextManager[None]]


def run_videos(
    source: Any, work: RestoreFn, how: RestoreOptions, *, save_mask: bool = False, of_film: OfFilm | None = None
) -> Any:
    """Do `work` on an array, a file, a folder or a film, and put the result where `out` says; see runner.run_images.

    of_film: entered for each film before the work on its frames begins, and left after it. A film is written to `out`,
    which its path becomes; `each` is told the means of its figures, and those that all frames share. Raises BadInput.
    """
    source = several(source, VIDEOS)
    of_film = of_film or (lambda film: nullcontext())
    if not isinstance(source, (str, Path)) or not is_video(source):
        of_folder = partial(_in_folder, work=work, how=how, of_film=of_film)
        return runner.run_images(source, work, how, save_mask=save_mask, film=of_folder)
    known(how)
    path = Path(source)
    if how.get("out") is None:
        raise BadInput(f"{path}: is a film, so name an out, a film to write to")
    if save_mask or how.get("side_by_side"):
        raise BadInput(f"{path}: is a film, for which neither masks nor pictures side by side are written")
    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    if how.get("split") or how.get("first"):
        raise BadInput(f"{path}: split and first choose among those of a folder or of a set, and this is a film")
    out = Path(str(how.get("out")))
    check_film_name(out, path)
    if how.get("resume") and out.exists():
        return out
    check_output(out, force=how.get("force", False))
    _film(path, path.name, out, work, how, of_film)
    return out


def _in_folder(path: Path, name: str, out: Path, work: RestoreFn, how: RestoreOptions, of_film: OfFilm) -> None:
    """A film that has `name` in a folder; so has its truth, where there is any."""
    truth = how.get("truth")
    if truth is not None:
        truth = Path(truth) / name if isinstance(truth, (str, Path)) else truth
    _film(path, name, out, work, {**how, "truth": truth, "side_by_side": False}, of_film)


def _film(path: Path, name: str, out: Path, work: RestoreFn, how: RestoreOptions, of_film: OfFilm) -> None:
    film = open_video(path)
    with of_film(film):
        figures = _through(film, name, work, how, out)
    if each := how.get("each"):
        each({"file": name, **figures})


def _through(film: Film, name: str, work: RestoreFn, how: RestoreOptions, out: Path) -> dict[str, Any]:
    """All frames into `out`: the figures of the film."""
    truth, untouched = _truth(how.get("truth")), True
    means, notes, flicker = Means(), Notes(), {"flicker_before": Flicker(), "flicker_after": Flicker()}
    count, began, range = 0, time.perf_counter(), film.range()
    with Progress(film.count) as bar, film_like(film, out) as put:
        for count, frame in enumerate(film.ranged(), 1):
            shown, photo = frame_name(name, count), frame.photo
            with notes.caught():
                done = _done(photo, shown, work, how, truth)
            put(done.after, frame)
            untouched &= done.untouched
            means.add(done.figures)
            flicker["flicker_before"].add(photo.pixels, range)
            flicker["flicker_after"].add(done.after.pixels, range)
            bar.step(count, partial(_line, count, film.count, began), last=count == film.count)
        if not count:
            raise BadInput(f"{film.path}: holds no frames that can be read")
    notes.close()
    if untouched and out.suffix.lower() == film.path.suffix.lower():
        copy(film.path, out)  # a codec would have changed it
    height, width = done.after.size
    found = {key: figure for key, one in flicker.items() if (figure := one.figure()) is not None}
    seconds = time.perf_counter() - began
    size = {"width": width, "height": height, "frames": count}
    return {**size, **means.figures(), **found, "seconds": seconds}


def _done(
    photo: Photo, name: str, work: RestoreFn, how: RestoreOptions, truth: Iterator[Photo] | None
) -> RestoreResult:
    """A frame, beside the next one of the truth."""
    own = None
    if truth is not None and (own := next(truth, None)) is None:
        raise BadInput(f"{name}: the truth has fewer frames")
    return judged(work, photo, name, {**how, "each": None, "truth": None if own is None else lambda name: own})


def _truth(truth: Any) -> Iterator[Photo] | None:
    if truth is None:
        return None
    if not isinstance(truth, (str, Path)):
        raise BadInput("the truth of a film is a film: a path is accepted")
    return (frame.photo for frame in open_video(truth).frames())


def _line(count: int, whole: int, began: float) -> str:
    return f"frame {count}/{whole}  {count / max(time.perf_counter() - began, 1e-9):.2g}/s"


class Means:
    """Of the figures of the frames: the means of fractions, and what else is the same in each."""

    def __init__(self) -> None:
        self.sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0])
        self.others: dict[str, set[Any]] = defaultdict(set)

    def add(self, figures: dict[str, Any]) -> None:
        for key, value in figures.items():
            if key in ("file", "seconds"):
                continue
            if isinstance(value, float):
                self.sums[key][0] += value
                self.sums[key][1] += 1
            else:
                self.others[key].add(value)

    def figures(self) -> dict[str, Any]:
        same = {key: next(iter(values)) for key, values in self.others.items() if len(values) == 1}
        return same | {key: total / count for key, (total, count) in self.sums.items()}
