"""The images that a verb runs on, one at a time and each at its own size: an array, a file, a folder or a data set."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data import Data, is_builtin, is_picture_name
from isthmus.data.find_images import find_pictures, nothing_in
from isthmus.data.pairs import without_suffix
from isthmus.data.selection import Selection, select_files
from isthmus.data.shards import is_shards
from isthmus.errors import BadInput, Note
from isthmus.inference.inputs import select_items
from isthmus.inference.result import RunOptions, result_name, video_result_name
from isthmus.inference.set_source import (
    ACCEPTED_PICTURES,
    open_images,
    photo_reader,
    run_of,
    to_stored_array,
    write_set,
)
from isthmus.media.array_axes import from_images, image_axes, to_images
from isthmus.media.image_file import NOT_READ, check_name, read_photo
from isthmus.media.photo import Photo
from isthmus.media.video.containers import VIDEOS
from isthmus.types import times

ONE_ITEM = "split and first select items of a folder or a data set, and "


@dataclass
class Source:
    """Images by name. names: of the items. label: of the source in messages. read: raises BadInput for a broken item.

    folder: of the input files; None if the items are not files. results: the names of their results below `out`; None
    if `join` makes one array or one file of all results. films: the names that are films. single: a file, whose error
    is raised instead of being reported as skipped.
    """

    label: str
    names: Sequence[str]
    read: Callable[[str], Photo]
    folder: Path | None = None
    results: list[str] | None = None
    films: frozenset[str] = frozenset()
    single: bool = False
    join: Callable[[Iterator[Photo]], Any] | None = None

    def path(self, name: str) -> Path:
        assert self.folder is not None, "items that are not files have no path"
        return self.folder / name


def open_source(source: Any, options: RunOptions, kinds: Collection[str] = ()) -> Source:
    """The images of a path, a list of paths, a pattern, an array, a tensor or Data.

    kinds: the outputs asked for besides the image. Raises BadInput, also for those that such a source cannot have.
    """
    source = select_files(source, VIDEOS)
    if is_data_set(source):
        return _of_set(source, options, kinds)
    if isinstance(source, Selection):
        return _of_folder(source.folder, options, kinds, source.names)
    if isinstance(source, (str, Path)):
        path = Path(source)
        return _of_folder(path, options, kinds) if path.is_dir() else _of_file(path, options, kinds)
    if options.get("split") or options.get("first"):
        raise BadInput(f"{ONE_ITEM}the input is neither")
    if options.get("out") is not None or set(kinds) - {"mask"}:
        raise BadInput("out and side_by_side are for files; an array is returned as an array")
    photos, to_array = photos_from_array(source)
    return Source(
        "the array",
        [str(number) for number in range(len(photos))],
        lambda name: photos[int(name)],
        join=lambda results: to_array([photo.samples() for photo in results]),
    )


def is_data_set(source: Any) -> bool:
    """Whether this is a built-in name (which precedes a file of that name), .npy, .npz, shards or Data."""
    if not isinstance(source, (str, Path)):
        return isinstance(source, Data)
    if is_picture_name(source):
        return False
    return is_builtin(source) or Path(source).suffix.lower() in (".npy", ".npz") or is_shards(str(source))


def _of_file(path: Path, options: RunOptions, kinds: Collection[str]) -> Source:
    from isthmus.media.video.open import check_film_name, is_video

    out, film = options.get("out"), is_video(path)
    if not path.exists():
        raise BadInput(f"{path}: no such file or folder")
    if film and out is None:
        raise BadInput(f"{path}: is a video, so out is needed, a video to write")
    if film and kinds:
        raise BadInput(f"{path}: is a video: masks and side-by-side images are not written for videos")
    if options.get("split") or options.get("first"):
        raise BadInput(f"{path}: {ONE_ITEM}this is a video" if film else f"{ONE_ITEM}the input is neither")
    item = Source(str(path), [path.name], lambda name: read_photo(path), path.parent, single=True)
    if out is None:
        item.join = lambda photos: next(photos).samples()
        return item
    if film:
        check_film_name(Path(out), path)
        item.films = frozenset(item.names)
    else:
        check_name(out, path)
    if Path(out).is_dir():
        raise BadInput(f"{out}: is a folder, and the output is an image")
    item.results = [Path(out).name]
    return item


def _of_folder(folder: Path, options: RunOptions, kinds: Collection[str], selected: list[str] | None = None) -> Source:
    """All images and videos of a folder, or the selected ones, without the results of an earlier call."""
    from isthmus.media.video.open import is_video

    described = f"the folder {folder}" if selected is None else f"{len(selected)} inputs"
    if options.get("out") is None:
        raise BadInput(f"{described}: out is needed, a folder for the results")
    out = Path(str(options["out"]))
    if is_picture_name(out):
        raise BadInput(f"{out}: is an image name, but the output for {described} is a folder")
    names, others = find_pictures(folder, VIDEOS) if selected is None else (selected, Counter[str]())
    names = [name for name in names if not (folder / name).resolve().is_relative_to(out.resolve())]
    for suffix in sorted(set(others) & set(NOT_READ)):
        warnings.warn(f"{folder}: {others[suffix]} {suffix} left out: {NOT_READ[suffix]}", Note, stacklevel=4)
    if not names:
        raise nothing_in(f"{folder}/", others)
    # The splits of a run are read by the names alone, without opening a file.
    rows = {"kind": "folder", "path": str(folder.resolve())}
    items = Data(torch.empty(len(names)), (), (0.0, 1.0), names, source=rows)
    names = list(_selected(items, options).names)
    films = frozenset(name for name in names if is_video(folder / name))
    if films and kinds:
        text = f"{folder}: for its {len(films)} videos no {' and no '.join(sorted(kinds))} is written"
        warnings.warn(text, Note, stacklevel=4)
    results = [
        video_result_name(name) if name in films else result_name(folder, name, options.get("format")) for name in names
    ]
    return Source(f"{folder}/", names, lambda name: read_photo(folder / name), folder, results, films)


def _of_set(source: Any, options: RunOptions, kinds: Collection[str]) -> Source:
    data, out = _selected(open_images(source), options), options.get("out")
    names = list(data.names)
    if out is not None and not Path(out).suffix:
        ending = f".{options.get('format') or 'png'}"
        results = [str(PurePosixPath(name).with_suffix(ending)) for name in names]
        return Source(f"{source}", names, photo_reader(data), results=results)
    if kinds:
        raise BadInput(f"{out or source}: save_mask and side_by_side need a folder as out")

    def join(photos: Iterator[Photo]) -> Any:
        if out is None:
            return to_stored_array(photos, data)
        return write_set(photos, data, Path(out), options.get("force", False))

    return Source(f"{source}", names, photo_reader(data, exact=True), join=join)


def _selected(data: Data, options: RunOptions) -> Data:
    return select_items(data, run_of(options.get("model")), split=options.get("split"), first=options.get("first"))


def matching_file(path: Path | str, what: str) -> Callable[[str], Path]:
    """A function from the name of an image to its partner file: `path` itself, or the file of that name in a folder.

    Suffixes are ignored, so that masks/a.png belongs to a.jpg. The function raises BadInput if there is none.
    """
    path = Path(path)
    if not path.is_dir():
        return lambda name: path
    files = {without_suffix(file): path / file for file in find_pictures(path)[0]}

    def path_for(name: str) -> Path:
        stem = without_suffix(name)
        if stem not in files:
            raise BadInput(f"{name}: there is no {what} of this name in {path}")
        return files[stem]

    return path_for


def photos_from_array(array: Any) -> tuple[list[Photo], Callable[[list[np.ndarray]], Any]]:
    """Convert an array or tensor to photos; also return the function that converts results back.

    Its axes are those of image_axes, C = 1 (gray) or 3 (color), plus one with alpha; integers or floats, scaled by
    `own_range`. Raises BadInput.
    """
    tensor = isinstance(array, Tensor)
    values = array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)
    shape, axes, stored = times(values.shape), image_axes(values.shape), values.dtype
    if not axes:
        raise BadInput(f"an array of shape {shape or 'one number'} is not an image; {ACCEPTED_PICTURES}")
    if values.dtype.kind not in "uif":
        raise BadInput(f"an array of {stored}; whole numbers and floats are accepted")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadInput("the array holds NaN or infinite values; accepted are finite numbers")
    if axes == "CHW" and len(values) == 4:
        text = f"an array of shape {shape} is read as one color image with alpha; four gray images are 4×1×H×W"
        warnings.warn(text, Note, stacklevel=4)
    values = values.astype(stored.newbyteorder("="), copy=False)  # >u2 holds the same numbers as <u2
    images = to_images(values, axes)
    colors = 3 if images.shape[-1] > 2 else 1

    def to_array(results: list[np.ndarray]) -> Any:
        stacked = np.stack(results)
        if stacked.dtype == values.dtype:
            stacked = stacked.astype(stored, copy=False)
        stacked = from_images(stacked, axes)
        return torch.from_numpy(np.ascontiguousarray(stacked)) if tensor else stacked

    return [Photo(i[..., :colors], i[..., colors] if i.shape[-1] > colors else None) for i in images], to_array
