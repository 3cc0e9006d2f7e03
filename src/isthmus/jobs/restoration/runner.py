"""Where pictures come from and go to, one at a time: an array, a file, or a folder with the same relative names."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from isthmus.data import is_picture_name
from isthmus.data.folders import find_pictures, nothing_in
from isthmus.data.selection import Selection
from isthmus.errors import BadInput, Note
from isthmus.files import check_output
from isthmus.inference.notes import Notes
from isthmus.inference.result_names import result_name, video_result_name
from isthmus.jobs.restoration.array_source import photos_of
from isthmus.jobs.restoration.comparison import caption, write_comparison
from isthmus.jobs.restoration.dataset_source import as_stored, is_set, named, open_set, reader, written
from isthmus.jobs.restoration.options import (
    OutputPaths,
    RestoreFn,
    RestoreOptions,
    RestoreResult,
    known,
    places_of,
    used,
)
from isthmus.jobs.restoration.scores import judged, truths
from isthmus.jobs.restoration.unchanged import copied
from isthmus.media.bit_depth import full_range, own_range, rescale
from isthmus.media.image_file import NOT_READ, Photo, check_name, read_photo, write_photo
from isthmus.media.video.containers import VIDEOS
from isthmus.media.video.open import is_video

FilmWork = Callable[[Path, str, Path], None]


def run_images(source: Any, work: RestoreFn, how: RestoreOptions, *, save_mask: bool = False, film: FilmWork) -> Any:
    """Do `work` on an array, a file or a folder, and put the result where `out` says.

    film: does it on a film in a folder: from its path, and its name in the folder, to the path of the result.

    An array comes back as the same kind of array; so does a file where no `out` is named. With save_mask an array
    comes with where it was changed, H×W bool, and a file has NAME-mask.png beside it. Raises BadInput.
    """
    known(how)
    how = {**how, "truth": truths(how.get("truth"))}
    if is_set(source):
        return _set(source, work, how, save_mask)
    if isinstance(source, Selection):
        return _folder(source.folder, work, how, save_mask, film, source.names)
    if (how.get("split") or how.get("first")) and not (isinstance(source, (str, Path)) and Path(source).is_dir()):
        raise BadInput("split and first choose among those of a folder or of a set, and this is neither")
    if not isinstance(source, (str, Path)):
        return _arrays(source, work, how, save_mask)
    path, out = Path(source), how.get("out")
    if path.is_dir():
        return _folder(path, work, how, save_mask, film)
    if out is None:
        done = judged(work, read_photo(path), path.name, how)
        return (done.after.samples(), done.changed) if save_mask else done.after.samples()
    return _file(path, work, Path(out), how, save_mask)


def _file(path: Path, work: RestoreFn, out: Path, how: RestoreOptions, save_mask: bool) -> Path:
    check_name(out, path)
    if out.is_dir():
        raise BadInput(f"{out}: is a folder, and a picture is to be written")
    places = places_of([out.name])[0]
    if how.get("resume") and all(out.with_name(place).exists() for place in used(places, how, save_mask)):
        return out
    for place in used(places, how, save_mask):
        check_output(out.with_name(place), force=how.get("force", False))
    _write(judged(work, read_photo(path), path.name, how), out.parent, places, how, save_mask, path)
    return out


def _folder(
    path: Path, work: RestoreFn, how: RestoreOptions, save_mask: bool, film: FilmWork, chosen: list[str] | None = None
) -> Path:
    """All pictures and films of a folder, or the chosen ones."""
    given = f"{path}, which is a folder," if chosen is None else f"{len(chosen)} inputs"
    if how.get("out") is None:
        raise BadInput(f"{given}: name an out, a folder to write to")
    out = Path(str(how["out"]))
    if is_picture_name(out):
        raise BadInput(f"{out}: a picture, but for {given} a folder is written")
    names, others = find_pictures(path, VIDEOS) if chosen is None else (chosen, Counter[str]())
    names = [name for name in names if not (path / name).resolve().is_relative_to(out.resolve())]  # of another time
    for suffix in sorted(set(others) & set(NOT_READ)):
        warnings.warn(f"{path}: {others[suffix]} {suffix} left out: {NOT_READ[suffix]}", Note, stacklevel=4)
    if not names:
        raise nothing_in(f"{path}/", others)
    names = named(path, names, how.get("model"), how.get("split"), how.get("first"))
    films = {name for name in names if is_video(path / name)}
    if films and (save_mask or how.get("side_by_side")):
        told = f"{path}: of its {len(films)} films neither masks nor pictures side by side are written"
        warnings.warn(told, Note, stacklevel=4)

    def do(name: str, place: Path) -> RestoreResult | None:
        if name not in films:
            return judged(work, read_photo(path / name), name, how)
        film(path / name, name, place)
        return None

    results = [
        video_result_name(name) if name in films else result_name(path, name, how.get("format")) for name in names
    ]
    return _each(f"{path}/", names, results, do, out, how, save_mask, path, films)


def _set(source: Any, work: RestoreFn, how: RestoreOptions, save_mask: bool) -> Any:
    """Into a folder the items go as pictures; else they come back as one array, or go into one file."""
    data = open_set(source, how.get("model"), how.get("split"), how.get("first"))
    names, out = list(data.names), how.get("out")
    if out is not None and not Path(out).suffix:
        ending = f".{how.get('format') or 'png'}"
        results = [str(PurePosixPath(name).with_suffix(ending)) for name in names]
        read = reader(data)
        return _each(
            f"{source}", names, results, lambda name, _: judged(work, read(name), name, how), Path(out), how, save_mask
        )
    if out is not None and how.get("resume") and Path(out).exists():
        return Path(out)
    if save_mask or how.get("side_by_side"):
        raise BadInput(f"{out or source}: for a mask of each, or before and after, name a folder as out")
    read = reader(data, exact=True)
    photos = (judged(work, read(name), name, how).after for name in names)
    return as_stored(photos, data) if out is None else written(photos, data, Path(out), how.get("force", False))


def _each(
    shown: str,
    names: list[str],
    results: list[str],
    do: Callable[[str, Path], RestoreResult | None],
    out: Path,
    how: RestoreOptions,
    save_mask: bool,
    folder: Path | None = None,
    films: Collection[str] = (),
) -> Path:
    """One picture after the other into the folder `out`, each whole or not at all; what is broken is told at the end.

    do: from a name and the path of its result to what is to be written; None: it is written, as that of `films` is.
    folder: where the pictures are files of these names.
    What is written stays, also where the work ends early.
    """
    resume, there = how.get("resume", False), 0
    check_output(out, force=resume or how.get("force", False), hint="--resume goes on, --force writes over it")
    if out.is_file():
        raise BadInput(f"{out}: is a file, and a folder is to be written")
    broken: list[str] = []
    notes = Notes()
    try:
        shared = {result for result, count in Counter(results).items() if count > 1}
        for name, result, places in zip(names, results, places_of(results, names), strict=True):
            wanted = places[:1] if name in films else used(places, how, save_mask)
            complete = resume and all((out / place).exists() for place in wanted)
            if complete and result in shared and folder is not None:
                complete = not newer(folder / name, out / places[0])  # or else it may be the result of another input
            if not complete:
                try:
                    with notes.caught():
                        done = do(name, out / places[0])
                except BadInput as error:
                    reason = str(error).removeprefix(f"{shown}{name}: ").removeprefix(f"{name}: ")
                    broken.append(f"{name} ({reason})")
                    continue
                if done is not None:
                    with notes.caught():
                        _write(done, out, places, how, save_mask, folder and folder / name)
            there += 1
    except BaseException:  # Ctrl-C, or a full disk
        if there:
            told = f"{out}: {there} of {len(names)} pictures are there; the same command with --resume does the rest"
            warnings.warn(told, Note, stacklevel=4)
        raise
    notes.close()
    told = ", ".join(broken[:3]) + (f" and {len(broken) - 3} more" if len(broken) > 3 else "")
    if len(broken) == len(names):
        raise BadInput(f"{shown}: none of {len(names)} pictures could be done: {told}")
    if broken:
        warnings.warn(f"{len(broken)} broken of {len(names)} files skipped: {told}", Note, stacklevel=4)
    return out


def newer(source: Path, result: Path) -> bool:
    """Whether `source` came to its folder, or changed, after `result` was written."""
    known = source.stat()
    return max(known.st_mtime, known.st_ctime) > result.stat().st_mtime


def _write(
    done: RestoreResult, folder: Path, places: OutputPaths, how: RestoreOptions, save_mask: bool, source: Path | None
) -> None:
    """The result, and its mask and sides where they are asked for. source: the file that it was made of."""
    result, mask, beside = (folder / place for place in places)
    if save_mask:
        if done.changed is None:
            raise BadInput(f"{result}: this model finds no mask that could be saved")
        write_photo(mask, Photo(done.changed[..., None].astype(np.uint8) * np.uint8(255)))
    if how.get("side_by_side"):
        figures, ending = done.figures, "_before"
        before = {key.removesuffix(ending): value for key, value in figures.items() if key.endswith(ending)}
        panels = [(caption("before", before), done.before), (caption("after", figures), done.after)]
        if how["truth"]:
            panels.append(("truth", how["truth"](figures["file"])))
        write_comparison(beside, [(words, as_bytes(photo, done.after)) for words, photo in panels])
    kept = done.untouched and how.get("jpeg_quality") is None
    if not (kept and source is not None and copied(source, result)):
        write_photo(result, done.after, how.get("jpeg_quality"))


def as_bytes(photo: Photo, beside: Photo) -> Photo:
    """A photo to be looked at, its black and white being those of the one that it stands beside."""
    range = beside.range if photo.pixels.dtype == beside.pixels.dtype else photo.range
    range = range or own_range(photo.pixels)
    return photo if range == full_range(photo.pixels.dtype) else Photo(rescale(photo.pixels, range, np.dtype(np.uint8)))


def _arrays(source: Any, work: RestoreFn, how: RestoreOptions, save_mask: bool) -> Any:
    if how.get("out") is not None or how.get("side_by_side"):
        raise BadInput("an array comes back as an array: out and side_by_side are for files")
    photos, back = photos_of(source)
    done = [judged(work, photo, f"{place}", how) for place, photo in enumerate(photos)]
    result = back([one.after.samples() for one in done])
    if not save_mask:
        return result
    masks = [one.changed for one in done]
    return result, (masks[0] if len(masks) == 1 else masks)
