"""Runs a restoration on arrays, files, folders and data sets, one image at a time, and writes the results."""

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
from isthmus.jobs.restoration.array_source import photos_from_array
from isthmus.jobs.restoration.comparison import as_8_bit, caption, write_comparison
from isthmus.jobs.restoration.dataset_source import (
    is_data_set,
    open_images,
    photo_reader,
    select_names,
    to_stored_array,
    write_set,
)
from isthmus.jobs.restoration.options import (
    OutputPaths,
    RestoreFn,
    RestoreOptions,
    RestoreResult,
    check_options,
    names_to_write,
    output_names,
)
from isthmus.jobs.restoration.scores import restore_and_score, truth_loader
from isthmus.jobs.restoration.unchanged import copy_if_same_format, is_newer
from isthmus.media.image_file import NOT_READ, Photo, check_name, read_photo, write_photo
from isthmus.media.video.containers import VIDEOS
from isthmus.media.video.open import is_video

RestoreVideoFn = Callable[[Path, str, Path], None]


def run_images(
    source: Any, restore: RestoreFn, options: RestoreOptions, *, save_mask: bool = False, restore_video: RestoreVideoFn
) -> Any:
    """Restore an array, a file, a folder or a data set, and write the result to `out`.

    restore_video: called with the path of a video in a folder, its name in the folder, and the path of its result.

    An array, or a file without `out`, is returned as an array of the same kind. save_mask: an array is returned with
    the changed pixels, H×W bool; a file gets NAME-mask.png next to its result. Raises BadInput.
    """
    check_options(options)
    options = {**options, "truth": truth_loader(options.get("truth"))}
    if is_data_set(source):
        return _data_set(source, restore, options, save_mask)
    if isinstance(source, Selection):
        return _folder(source.folder, restore, options, save_mask, restore_video, source.names)
    if (options.get("split") or options.get("first")) and not (
        isinstance(source, (str, Path)) and Path(source).is_dir()
    ):
        raise BadInput("split and first select items of a folder or a data set, and the input is neither")
    if not isinstance(source, (str, Path)):
        return _arrays(source, restore, options, save_mask)
    path, out = Path(source), options.get("out")
    if path.is_dir():
        return _folder(path, restore, options, save_mask, restore_video)
    if out is None:
        done = restore_and_score(restore, read_photo(path), path.name, options)
        return (done.after.samples(), done.changed) if save_mask else done.after.samples()
    return _file(path, restore, Path(out), options, save_mask)


def _file(path: Path, restore: RestoreFn, out: Path, options: RestoreOptions, save_mask: bool) -> Path:
    check_name(out, path)
    if out.is_dir():
        raise BadInput(f"{out}: is a folder, and the output is an image")
    outputs = output_names([out.name])[0]
    if options.get("resume") and all(
        out.with_name(output).exists() for output in names_to_write(outputs, options, save_mask)
    ):
        return out
    for output in names_to_write(outputs, options, save_mask):
        check_output(out.with_name(output), force=options.get("force", False))
    _write(
        restore_and_score(restore, read_photo(path), path.name, options),
        out.parent,
        outputs,
        options,
        save_mask,
        path,
    )
    return out


def _folder(
    path: Path,
    restore: RestoreFn,
    options: RestoreOptions,
    save_mask: bool,
    restore_video: RestoreVideoFn,
    selected: list[str] | None = None,
) -> Path:
    """Restore all images and videos of a folder, or the selected ones."""
    described = f"the folder {path}" if selected is None else f"{len(selected)} inputs"
    if options.get("out") is None:
        raise BadInput(f"{described}: out is needed, a folder for the results")
    out = Path(str(options["out"]))
    if is_picture_name(out):
        raise BadInput(f"{out}: is an image name, but the output for {described} is a folder")
    names, other_suffixes = find_pictures(path, VIDEOS) if selected is None else (selected, Counter[str]())
    names = [
        name for name in names if not (path / name).resolve().is_relative_to(out.resolve())
    ]  # results of an earlier call
    for suffix in sorted(set(other_suffixes) & set(NOT_READ)):
        warnings.warn(f"{path}: {other_suffixes[suffix]} {suffix} left out: {NOT_READ[suffix]}", Note, stacklevel=4)
    if not names:
        raise nothing_in(f"{path}/", other_suffixes)
    names = select_names(path, names, options.get("model"), options.get("split"), options.get("first"))
    videos = {name for name in names if is_video(path / name)}
    if videos and (save_mask or options.get("side_by_side")):
        text = f"{path}: no masks and no side-by-side images are written for its {len(videos)} videos"
        warnings.warn(text, Note, stacklevel=4)

    def restore_item(name: str, output: Path) -> RestoreResult | None:
        if name not in videos:
            return restore_and_score(restore, read_photo(path / name), name, options)
        restore_video(path / name, name, output)
        return None

    results = [
        video_result_name(name) if name in videos else result_name(path, name, options.get("format")) for name in names
    ]
    return _write_items(f"{path}/", names, results, restore_item, out, options, save_mask, path, videos)


def _data_set(source: Any, restore: RestoreFn, options: RestoreOptions, save_mask: bool) -> Any:
    """Restore a data set: into a folder of images, one file, or a returned array."""
    data = open_images(source, options.get("model"), options.get("split"), options.get("first"))
    names, out = list(data.names), options.get("out")
    if out is not None and not Path(out).suffix:
        ending = f".{options.get('format') or 'png'}"
        results = [str(PurePosixPath(name).with_suffix(ending)) for name in names]
        read = photo_reader(data)
        return _write_items(
            f"{source}",
            names,
            results,
            lambda name, _: restore_and_score(restore, read(name), name, options),
            Path(out),
            options,
            save_mask,
        )
    if out is not None and options.get("resume") and Path(out).exists():
        return Path(out)
    if save_mask or options.get("side_by_side"):
        raise BadInput(f"{out or source}: save_mask and side_by_side need a folder as out")
    read = photo_reader(data, exact=True)
    photos = (restore_and_score(restore, read(name), name, options).after for name in names)
    return (
        to_stored_array(photos, data)
        if out is None
        else write_set(photos, data, Path(out), options.get("force", False))
    )


def _write_items(
    shown: str,
    names: list[str],
    results: list[str],
    restore_item: Callable[[str, Path], RestoreResult | None],
    out: Path,
    options: RestoreOptions,
    save_mask: bool,
    folder: Path | None = None,
    videos: Collection[str] = (),
) -> Path:
    """Restore items one by one into the folder `out`, each file atomically; a note at the end names broken inputs.

    restore_item: maps a name and the path of its result to a result to write, or to None if it is written already, as
    for `videos`. folder: the folder of the input files, if the items are files.
    Results written before an error or an interrupt are kept.
    """
    resume, finished = options.get("resume", False), 0
    check_output(out, force=resume or options.get("force", False), hint="--resume continues, --force overwrites")
    if out.is_file():
        raise BadInput(f"{out}: is a file, but the output is a folder")
    failures: list[str] = []
    notes = Notes()
    try:
        shared = {result for result, count in Counter(results).items() if count > 1}
        for name, result, outputs in zip(names, results, output_names(results, names), strict=True):
            wanted = outputs[:1] if name in videos else names_to_write(outputs, options, save_mask)
            complete = resume and all((out / output).exists() for output in wanted)
            if complete and result in shared and folder is not None:
                complete = not is_newer(folder / name, out / outputs[0])  # else it may be the result of another input
            if not complete:
                try:
                    with notes.caught():
                        done = restore_item(name, out / outputs[0])
                except BadInput as error:
                    reason = str(error).removeprefix(f"{shown}{name}: ").removeprefix(f"{name}: ")
                    failures.append(f"{name} ({reason})")
                    continue
                if done is not None:
                    with notes.caught():
                        _write(done, out, outputs, options, save_mask, folder and folder / name)
            finished += 1
    except BaseException:  # Ctrl-C, or a full disk
        if finished:
            text = f"{out}: {finished} of {len(names)} images are done; the same command with --resume does the rest"
            warnings.warn(text, Note, stacklevel=4)
        raise
    notes.close()
    text = ", ".join(failures[:3]) + (f" and {len(failures) - 3} more" if len(failures) > 3 else "")
    if len(failures) == len(names):
        raise BadInput(f"{shown}: none of {len(names)} images could be restored: {text}")
    if failures:
        warnings.warn(f"{len(failures)} broken of {len(names)} files skipped: {text}", Note, stacklevel=4)
    return out


def _write(
    done: RestoreResult,
    folder: Path,
    outputs: OutputPaths,
    options: RestoreOptions,
    save_mask: bool,
    source: Path | None,
) -> None:
    """Write a result and, if asked for, its mask and comparison. source: the input file, copied if nothing changed."""
    result, mask, comparison = (folder / output for output in outputs)
    if save_mask:
        if done.changed is None:
            raise BadInput(f"{result}: this model predicts no mask that could be saved")
        write_photo(mask, Photo(done.changed[..., None].astype(np.uint8) * np.uint8(255)))
    if options.get("side_by_side"):
        figures, ending = done.figures, "_before"
        before = {key.removesuffix(ending): value for key, value in figures.items() if key.endswith(ending)}
        panels = [(caption("before", before), done.before), (caption("after", figures), done.after)]
        if options["truth"]:
            panels.append(("truth", options["truth"](figures["file"])))
        write_comparison(comparison, [(words, as_8_bit(photo, done.after)) for words, photo in panels])
    copyable = done.is_unchanged and options.get("jpeg_quality") is None
    if not (copyable and source is not None and copy_if_same_format(source, result)):
        write_photo(result, done.after, options.get("jpeg_quality"))


def _arrays(source: Any, restore: RestoreFn, options: RestoreOptions, save_mask: bool) -> Any:
    if options.get("out") is not None or options.get("side_by_side"):
        raise BadInput("out and side_by_side are for files; an array is returned as an array")
    photos, back = photos_from_array(source)
    done = [restore_and_score(restore, photo, f"{output}", options) for output, photo in enumerate(photos)]
    result = back([one.after.samples() for one in done])
    if not save_mask:
        return result
    masks = [one.changed for one in done]
    return result, (masks[0] if len(masks) == 1 else masks)
