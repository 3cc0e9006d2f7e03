"""run: applies a verb to images and videos, and writes the results.

A verb is a function from an image and its name to a Result. `run` calls it for each image of an array, a file, a
folder or a data set, and for each frame of a video; it holds one image or a few frames in memory, writes every file
atomically, resumes, skips broken files, prints the first notes of each kind and shows progress.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from isthmus.errors import BadInput, Note
from isthmus.files import check_output
from isthmus.inference.frames import write_film
from isthmus.inference.inputs import first_of, warn_skipped
from isthmus.inference.notes import Notes
from isthmus.inference.result import (
    Apply,
    FilmContext,
    Kind,
    Result,
    RunOptions,
    check_format,
    is_newer,
    is_unchanged,
    output_names,
    write_result,
)
from isthmus.inference.source import Source, open_source
from isthmus.media.photo import Photo
from isthmus.training.progress import Progress


def run(
    source: Any,
    apply: Apply,
    options: RunOptions,
    *,
    kinds: Mapping[str, Kind] | None = None,
    film: FilmContext | None = None,
    recorded: Callable[[str], bool] | None = None,
) -> Any:
    """Apply a verb to `source`; return the path of `out`, or without it an array of the kind of the input.

    kinds: the outputs besides the image, by their names in Result.outputs; each is a file next to the image. Without
    `out`, "mask" alone is accepted, and returned as a second value. film: a context entered for each film, which gives
    the function for its frames, and a function that returns further metrics of the film; by default `apply` is used.
    recorded: whether a table of all results, which only the end of a run writes, has an item; else --resume makes it
    anew. Raises BadInput.
    """
    if options.get("force") and options.get("resume"):
        raise BadInput("force overwrites existing results and resume keeps them: give only one of them")
    check_format(options.get("out"), options.get("format"), options.get("jpeg_quality"))
    kinds = kinds or {}
    film = film or (lambda opened, name: nullcontext((apply, dict)))
    runner = Runner(open_source(source, options, kinds), apply, options, kinds, film, recorded)
    if runner.source.join is not None:
        return runner.join(runner.source.join)
    out = Path(str(options["out"]))
    return runner.write_one(out) if runner.source.single else runner.write_all(out)


@dataclass
class Runner:
    """One call of a verb; see `run`."""

    source: Source
    apply: Apply
    options: RunOptions
    kinds: Mapping[str, Kind]
    film: FilmContext
    recorded: Callable[[str], bool] | None = None

    def join(self, join: Callable[[Iterator[Photo]], Any]) -> Any:
        """All results as one array or one file; with the masks, if they are asked for."""
        masks: list[Any] = []

        def images() -> Iterator[Photo]:
            for name in self.source.names:
                result = self.process(name)
                masks.append(result.outputs.get("mask"))
                yield result.image

        out = self.options.get("out")
        if out is not None and self.options.get("resume") and Path(out).exists():
            note_kept(Path(out), 1, 1)
            return Path(out)
        joined = join(images())
        return (joined, masks if len(masks) > 1 else masks[0]) if "mask" in self.kinds else joined

    def write_one(self, out: Path) -> Path:
        """The result of one file, whose errors are raised."""
        name = self.source.names[0]
        files = output_names([out.name], self.kinds)[0]
        if self.options.get("resume") and all((out.parent / file).exists() for file in files.values()):
            note_kept(out, 1, 1)
            return out
        for file in files.values():
            check_output(out.parent / file, force=self.options.get("force", False))
        if (result := self.process_item(name, out)) is not None:
            self.write(name, result, out.parent, files)
        return out

    def write_all(self, out: Path) -> Path:
        """The results of several items in the folder `out`; a note at the end names broken items.

        Results written before an error or an interrupt are kept.
        """
        source, results, total, finished = self.source, self.source.results or [], len(self.source.names), 0
        kept = bool(self.options.get("resume") or self.options.get("force"))
        check_output(out, force=kept, hint="--resume continues, --force overwrites")
        if out.is_file():
            raise BadInput(f"{out}: is a file, but the output is a folder")
        names = output_names(results, self.kinds, source.names)
        shared = {result for result, count in Counter(results).items() if count > 1}
        failures, notes, existing = list[tuple[str, str]](), Notes(), 0
        try:
            with Progress(total, quiet=total == 1 or bool(source.films)) as bar:
                for name, result, files in zip(source.names, results, names, strict=True):
                    if self.is_complete(name, out, files, result in shared):
                        existing += 1
                    else:
                        try:
                            with notes.caught():
                                done = self.process_item(name, out / files[""])
                        except BadInput as error:
                            failures.append(self.skipped(name, error))
                            continue
                        if done is not None:
                            with notes.caught():
                                self.write(name, done, out, files)
                    finished += 1
                    bar.step(finished + len(failures), partial("file {}/{}".format, finished + len(failures), total))
        except BaseException:  # Ctrl-C, or a full disk
            if finished:
                text = f"{out}: {finished} of {total} images are done; the same command with --resume does the rest"
                warnings.warn(text, Note, stacklevel=4)
            raise
        notes.close()
        note_kept(out, existing, total)
        if len(failures) == total:
            raise BadInput(f"{source.label}: none of {total} images could be processed: {first_of(failures)}")
        warn_skipped(failures, total)
        return out

    def is_complete(self, name: str, out: Path, files: Mapping[str, str], shared: bool) -> bool:
        """Whether --resume finds all results of an item. shared: whether inputs of other suffixes have that result."""
        if name in self.source.films:
            files = {"": files[""]}
        elif self.recorded is not None and not self.recorded(name):
            return False
        if not self.options.get("resume") or not all((out / file).exists() for file in files.values()):
            return False
        if not shared or self.source.folder is None:
            return True
        return not is_newer(self.source.folder / name, out / files[""])  # else it may be the result of another input

    def skipped(self, name: str, error: BadInput) -> tuple[str, str]:
        reason = str(error).removeprefix(f"{self.source.label}{name}: ").removeprefix(f"{name}: ")
        if skip := self.options.get("skip"):
            skip(name, reason)
        return name, reason

    def process_item(self, name: str, out: Path) -> Result | None:
        """The result of an item; None for a video, which is written to `out` frame by frame."""
        if name not in self.source.films:
            return self.process(name)
        figures = write_film(self.source.path(name), name, out, self.film)
        if each := self.options.get("each"):
            each(figures)
        return None

    def process(self, name: str) -> Result:
        photo = self.source.read(name)
        result = self.apply(photo, name)
        result.unchanged = is_unchanged(photo, result.image)
        if each := self.options.get("each"):
            each(result.figures)
        return result

    def write(self, name: str, result: Result, folder: Path, files: Mapping[str, str]) -> None:
        source = None if self.source.folder is None else self.source.path(name)
        write_result(result, folder, files, self.kinds, source, self.options.get("jpeg_quality"))


def note_kept(out: Path, existing: int, total: int) -> None:
    """A Note about results that --resume found."""
    if existing:
        text = f"{out}: {existing} of {total} results existed and are kept, whatever their options were"
        warnings.warn(text, Note, stacklevel=5)
