"""A verb applied to the frames of one video; a frame is an image with its number in the name."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from isthmus.errors import BadInput
from isthmus.inference.notes import Notes
from isthmus.inference.result import FilmContext, copy_file, is_unchanged
from isthmus.training.progress import Progress

FRAME = re.compile(r" frame (\d+)$")


def write_film(path: Path, name: str, out: Path, context: FilmContext) -> dict[str, Any]:
    """Apply a verb to each frame of the video `path` and write the video `out`; see isthmus.inference.runner.run.

    Returns the metrics: means over the frames, and values that are equal in all frames. Raises BadInput for a video
    without readable frames.
    """
    from isthmus.media.video.open import film_like, open_video

    film = open_video(path)
    with context(film, name) as (apply, further_figures):
        unchanged, means, notes, count, start = True, Means(), Notes(), 0, time.perf_counter()
        with Progress(film.count) as bar, film_like(film, out) as write_frame:
            for count, frame in enumerate(film.ranged(), 1):
                with notes.caught():
                    result = apply(frame.photo, frame_name(name, count))
                write_frame(result.image, frame)
                unchanged &= is_unchanged(frame.photo, result.image)
                means.add(result.figures)
                bar.step(count, partial(_frames, count, film.count, start), last=count == film.count)
            if not count:
                raise BadInput(f"{film.path}: has no readable frames")
        notes.close()
        if unchanged and out.suffix.lower() == film.path.suffix.lower():
            copy_file(film.path, out)  # encoding it again would change it
        height, width = result.image.size
        figures = {"file": name, "width": width, "height": height, "frames": count}
        return figures | means.figures() | further_figures() | {"seconds": time.perf_counter() - start}


def frame_name(film: str, number: int) -> str:
    """The name of a frame, counted from 1, as in masks and messages."""
    return f"{film} frame {number}"


def _frames(count: int, total: int, start: float) -> str:
    return f"frame {count}/{total}  {count / max(time.perf_counter() - start, 1e-9):.2g}/s"


class Means:
    """Aggregates metrics over frames: the means of floats, and other values that are equal in all frames."""

    def __init__(self) -> None:
        self.sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0])
        self.others: dict[str, set[Any]] = defaultdict(set)

    def add(self, figures: Mapping[str, Any]) -> None:
        for key, value in figures.items():
            if key in ("file", "seconds"):
                continue
            if isinstance(value, float):
                self.sums[key][0] += value
                self.sums[key][1] += 1
            else:
                self.others[key].add(value)

    def figures(self) -> dict[str, Any]:
        shared = {key: next(iter(values)) for key, values in self.others.items() if len(values) == 1}
        return shared | {key: total / count for key, (total, count) in self.sums.items()}
