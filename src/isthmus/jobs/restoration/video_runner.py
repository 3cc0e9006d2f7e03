"""Restores videos frame by frame, with only a few frames in memory."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from isthmus.data.selection import select_files
from isthmus.errors import BadInput
from isthmus.files import check_output
from isthmus.inference.notes import Notes
from isthmus.jobs.restoration import runner
from isthmus.jobs.restoration.flicker import Flicker
from isthmus.jobs.restoration.masks import frame_name
from isthmus.jobs.restoration.options import RestoreFn, RestoreOptions, RestoreResult, check_options
from isthmus.jobs.restoration.scores import restore_and_score
from isthmus.jobs.restoration.unchanged import copy_file
from isthmus.media.image_file import Photo
from isthmus.media.video.base import Film
from isthmus.media.video.containers import VIDEOS
from isthmus.media.video.open import check_film_name, film_like, is_video, open_video
from isthmus.training.progress import Progress

VideoContext = Callable[[Film], AbstractContextManager[None]]


def run_videos(
    source: Any,
    restore: RestoreFn,
    options: RestoreOptions,
    *,
    save_mask: bool = False,
    video_context: VideoContext | None = None,
) -> Any:
    """Restore an array, a file, a folder, a data set or a video, and write the result to `out`; see runner.run_images.

    video_context: a context manager entered while the frames of a video are restored. `each` is called with the mean
    metrics of a video, and the values shared by all of its frames. Raises BadInput.
    """
    source = select_files(source, VIDEOS)
    video_context = video_context or (lambda video: nullcontext())
    if not isinstance(source, (str, Path)) or not is_video(source):
        of_folder = partial(_restore_video_in_folder, restore=restore, options=options, video_context=video_context)
        return runner.run_images(source, restore, options, save_mask=save_mask, restore_video=of_folder)
    check_options(options)
    path = Path(source)
    if options.get("out") is None:
        raise BadInput(f"{path}: is a video, so out is needed, a video to write")
    if save_mask or options.get("side_by_side"):
        raise BadInput(f"{path}: is a video: masks and side-by-side images are not written for videos")
    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    if options.get("split") or options.get("first"):
        raise BadInput(f"{path}: split and first select items of a folder or a data set, and this is a video")
    out = Path(str(options.get("out")))
    check_film_name(out, path)
    if options.get("resume") and out.exists():
        return out
    check_output(out, force=options.get("force", False))
    _restore_video(path, path.name, out, restore, options, video_context)
    return out


def _restore_video_in_folder(
    path: Path, name: str, out: Path, restore: RestoreFn, options: RestoreOptions, video_context: VideoContext
) -> None:
    """Restore a video named `name` in a folder; its ground truth has the same name."""
    truth = options.get("truth")
    if truth is not None:
        truth = Path(truth) / name if isinstance(truth, (str, Path)) else truth
    _restore_video(path, name, out, restore, {**options, "truth": truth, "side_by_side": False}, video_context)


def _restore_video(
    path: Path, name: str, out: Path, restore: RestoreFn, options: RestoreOptions, video_context: VideoContext
) -> None:
    video = open_video(path)
    with video_context(video):
        figures = _restore_frames(video, name, restore, options, out)
    if each := options.get("each"):
        each({"file": name, **figures})


def _restore_frames(video: Film, name: str, restore: RestoreFn, options: RestoreOptions, out: Path) -> dict[str, Any]:
    """Restore all frames into `out`; return the metrics of the video."""
    truth, unchanged = _truth_frames(options.get("truth")), True
    means, notes, flicker = Means(), Notes(), {"flicker_before": Flicker(), "flicker_after": Flicker()}
    count, start, range = 0, time.perf_counter(), video.range()
    with Progress(video.count) as bar, film_like(video, out) as write_frame:
        for count, frame in enumerate(video.ranged(), 1):
            frame_label, photo = frame_name(name, count), frame.photo
            with notes.caught():
                result = _restore_frame(photo, frame_label, restore, options, truth)
            write_frame(result.after, frame)
            unchanged &= result.is_unchanged
            means.add(result.figures)
            flicker["flicker_before"].add(photo.pixels, range)
            flicker["flicker_after"].add(result.after.pixels, range)
            bar.step(count, partial(_progress_text, count, video.count, start), last=count == video.count)
        if not count:
            raise BadInput(f"{video.path}: has no readable frames")
    notes.close()
    if unchanged and out.suffix.lower() == video.path.suffix.lower():
        copy_file(video.path, out)  # encoding it again would change it
    height, width = result.after.size
    flicker_figures = {key: figure for key, one in flicker.items() if (figure := one.figure()) is not None}
    seconds = time.perf_counter() - start
    size = {"width": width, "height": height, "frames": count}
    return {**size, **means.figures(), **flicker_figures, "seconds": seconds}


def _restore_frame(
    photo: Photo, name: str, restore: RestoreFn, options: RestoreOptions, truth: Iterator[Photo] | None
) -> RestoreResult:
    """Restore a frame and compare it with the next frame of the ground truth."""
    truth_frame = None
    if truth is not None and (truth_frame := next(truth, None)) is None:
        raise BadInput(f"{name}: the truth has fewer frames")
    return restore_and_score(
        restore,
        photo,
        name,
        {**options, "each": None, "truth": None if truth_frame is None else lambda name: truth_frame},
    )


def _truth_frames(truth: Any) -> Iterator[Photo] | None:
    if truth is None:
        return None
    if not isinstance(truth, (str, Path)):
        raise BadInput("the truth of a video must be the path of a video")
    return (frame.photo for frame in open_video(truth).frames())


def _progress_text(count: int, total: int, start: float) -> str:
    return f"frame {count}/{total}  {count / max(time.perf_counter() - start, 1e-9):.2g}/s"


class Means:
    """Aggregates metrics over frames: the means of floats, and other values that are equal in all frames."""

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
        shared = {key: next(iter(values)) for key, values in self.others.items() if len(values) == 1}
        return shared | {key: total / count for key, (total, count) in self.sums.items()}
