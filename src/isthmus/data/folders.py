"""A folder of pictures, or one picture: found, looked at, then read whole or a batch at a time."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data import base, cache
from isthmus.data.base import Data, Range, ends_of, numpy_type, shape_of
from isthmus.data.decoding import Files, fingerprint, look_at
from isthmus.data.mask_files import without_masks
from isthmus.data.patches import cut_up, read_squares
from isthmus.data.preparation import file_numbers, outside
from isthmus.errors import BadInput
from isthmus.media.array_values import Span
from isthmus.media.bit_depth import choose_range, span_of
from isthmus.media.dicom.reader import has_no_suffix, is_dicom
from isthmus.media.high_bit_depth import Header
from isthmus.media.image_reader import SUFFIXES, is_picture_name
from isthmus.media.video.containers import VIDEOS
from isthmus.types import times

AS_PICTURES = "frames of films are used once they are saved as pictures (ffmpeg -i FILM %04d.png)"
ARRAY = ".npy"
MIXED_SIZE = 64  # the side where sizes are mixed and none was asked for


def find_pictures(folder: Path, also: Sequence[str] = ()) -> tuple[list[str], Counter[str]]:
    """Relative posix names of the pictures below `folder`, sorted, and a count of the other suffixes.

    Links to folders are followed, each folder once, so a loop ends. Hidden files and folders are left out. also:
    suffixes of files that count as pictures here. A .npy counts where there are no others: beside pictures it is codes,
    labels or maps of them.
    """
    names: list[str] = []
    arrays: list[str] = []
    others: Counter[str] = Counter()
    seen: set[tuple[int, int]] = set()
    if not os.access(folder, os.R_OK | os.X_OK):
        raise BadInput(f"{folder}: cannot be read (permission denied)")
    for where, folders, files in os.walk(folder, followlinks=True):
        status = os.stat(where)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(where).relative_to(folder).as_posix().removeprefix(".")
        for name in files:
            path = os.path.join(where, name)
            if name.startswith("."):
                continue
            # A pipe would never end.
            wanted = is_picture_name(name) or Path(name).suffix.lower() in also
            if (wanted and (os.path.isfile(path) or not os.path.exists(path))) or (
                has_no_suffix(name) and os.path.isfile(path) and is_dicom(path)
            ):
                names.append(f"{below}/{name}" if below else name)
            elif name.lower().endswith(ARRAY) and os.path.isfile(path):
                arrays.append(f"{below}/{name}" if below else name)
            else:
                others[Path(name).suffix.lower() or "files without a suffix"] += 1
    if names:
        others.update({ARRAY: len(arrays)} if arrays else {})
        return sorted(names), others
    return sorted(arrays), others


def open_pictures(
    path: Path,
    *,
    size: int | None = None,
    gray: bool | None = None,
    like: Mapping[str, Any] | None = None,
    first: int | None = None,
    cut: int | None = None,
    whole: int | None = None,
    names: Sequence[str] | None = None,
    largest: int | None = None,
) -> Data:
    """All pictures of a folder but masks of others, or one file, as pictures of one shape.

    The shape is that of `like`, or `size`×`size`, or the one that all share, or 64×64 with a note. Gray where
    every file is gray or it is asked for; 16 bits where any file has them. Broken files are named in
    `skipped`; only when the whole does not fit MEMORY_BUDGET can one come up later, as Broken from `batch`.

    cut: pictures of several sizes, or larger ones, are not made to fit but cut into squares of that side at their own
    scale: all of each where they fit MEMORY_BUDGET, else as many as do, and one at least. `pictures` tells whose each
    is. whole: nothing is left out of a picture where its shape is another, each side is scaled by itself; where no size
    is asked for, no side is longer than that. names: only these pictures of the folder, masks or not.

    largest: where all share one shape and no size is asked for, no side is longer than that.

    Raises BadInput where no picture can be read.
    """
    shown, folder, notes = str(path), path.parent, list[str]()
    if path.is_dir():
        shown, folder = shown.rstrip("/") + "/", path
        if not names:
            names, others = find_pictures(path)
            if not names:
                raise nothing_in(shown, others)
            notes += films_left_out(shown, others)
            names = without_masks(path, names, notes)
    else:
        names = [path.name]
    names = names[:first]
    kept, looks, reasons = look_at(folder, names)
    squares: np.ndarray | None = None
    broken: dict[int, str] = {}
    data_range: Range = (0.0, 255.0)
    if kept:
        kinds = [Header(*kind) for kind in np.unique(looks[list(Header._fields)]).tolist()]
        if count := sum(int(bands > 0) for bands in looks["bands"]):
            notes.append(
                f"{shown}: {count} of {len(kept)} files have channels besides color (near infrared or others), which "
                "are left out; N×C×H×W as .npy is taken with all of its channels"
            )
        if count := int(looks["several"].sum()):
            notes.append(f"{shown}: {count} of {len(kept)} files hold several pictures, of which the first is taken")
        side = side_of_squares(kinds, cut, like)
        shape = choose_shape(kinds, side or size, gray, like, whole, largest, notes, shown)
        units = {kind.units for kind in kinds}
        dtype, data_range = file_numbers(like or {}, any(kind.deep for kind in kinds), units=all(units))
        stretched = whole is not None if like is None else bool(like.get("whole"))
        if ends_of(data_range)[0] != 0:  # of a run in units, which are no shares of white
            looks["stated"] = False
        files = Files(folder, kept, looks, shape, dtype, stretched=stretched)
        files.white = ends_of(data_range)[1] if dtype == torch.uint16 else files.white
        items: Tensor | Files = files
        if side is not None:
            squares = cut_up(files, base.MEMORY_BUDGET * len(kept) // files.nbytes, notes)
        if squares is not None and files.nbytes <= base.MEMORY_BUDGET:
            items, broken = read_squares(files, squares)
        else:
            if squares is not None:  # one of each picture
                files.corners, squares = squares[:, 1:], None
            items, broken = read_whole(files, path.is_dir(), notes)
        reasons |= {kept[place]: reason for place, reason in broken.items()}
        deep = dtype == torch.uint16 and bool(looks["deep"].all()) and not looks["stated"].any()
        if dtype == torch.float32 or (dtype == torch.uint16 and (like is None or deep or data_range != (0.0, 65535.0))):
            count = len(items) if isinstance(items, Tensor) else len(kept)
            span = span_of(items, count, broken if squares is None else ())
            if like is None:
                data_range = range_of_files(span, looks, notes, numpy_type(dtype))
            notes += [] if like is None else outside(span, data_range, numpy_type(dtype) if deep else None)
    skipped = [(name.encode(errors="replace").decode(), reasons[name]) for name in names if name in reasons]
    if len(skipped) == len(names):
        if path.is_file():
            raise BadInput(f"{path}: {skipped[0][1]}")
        told = "; ".join(f"{name}: {reason}" for name, reason in skipped[:3])
        more = "; …" if len(skipped) > 3 else ""
        raise BadInput(f"{shown}: no picture that can be read ({len(skipped)} broken: {told}{more})")
    owners = np.arange(len(kept)) if squares is None else squares[:, 0]  # whose each item is
    good = np.isin(owners, list(broken), invert=True)
    rows = np.flatnonzero(good) if broken else None
    item_names = kept if squares is None else [f"{kept[number]}#{top},{left}" for number, top, left in squares.tolist()]
    if broken:
        item_names, owners = [item_names[row] for row in np.flatnonzero(good).tolist()], owners[good]
        sound = [place for place in range(len(looks)) if place not in broken]
        kept, looks = [kept[place] for place in sound], looks[sound]
    source = {
        "kind": "folder" if path.is_dir() else "file",
        "path": str(path.resolve()),
        "fingerprint": fingerprint(kept, looks),
        "count": len(item_names),
        "size": list(shape[1:]),
        "gray": shape[0] == 1,
    }
    if dtype == torch.float32:
        source |= {"dtype": units.pop() if len(units) == 1 else "float32"}
    if side is not None:
        source |= {"cut": side, "pictures": len(kept)}
    data = Data(items, shape, data_range, item_names, skipped=skipped, notes=notes, source=source, rows=rows)
    return data if squares is None else replace(data, pictures=owners)


def range_of_files(span: Span, looks: np.ndarray, notes: list[str], dtype: np.dtype) -> Range:
    """The values that mean 0 and 1 in new files of 16 bits or in units: as all of them say, or as found in them."""
    told: list[str] = []
    found = choose_range(dtype, span, told)
    if dtype == np.uint16 and found[0] == 0 and looks["stated"][looks["deep"]].all():
        return (0.0, 65535.0)
    notes += told
    return found


def films_left_out(shown: str, others: Mapping[str, int]) -> list[str]:
    """A line where films lie among the pictures of a folder, of which `find_pictures` has counted the other files."""
    films = sum(others.get(suffix, 0) for suffix in VIDEOS)
    return [f"{shown}: {films} {'film is' if films == 1 else 'films are'} left out; {AS_PICTURES}"] if films else []


def side_of_squares(kinds: Sequence[Header], cut: int | None, like: Mapping[str, Any] | None) -> int | None:
    """Of the squares that pictures of these kinds are cut into, one of which fits into some picture; None: of none."""
    if like is not None:
        return shape_of(like)[-1] if like.get("cut") else None
    if cut is None:
        return None
    cut = min(cut, max(min(kind.height, kind.width) for kind in kinds))
    alike = len({(kind.height, kind.width) for kind in kinds}) == 1  # and not much larger: as good as squares already
    return None if alike and kinds[0].height * kinds[0].width <= 4 * cut**2 else cut


def read_whole(files: Files, keep: bool, notes: list[str]) -> tuple[Tensor | Files, dict[int, str]]:
    """All of the files where they fit MEMORY_BUDGET, else the files themselves; why some cannot be read, by place.

    keep: in the cache, where they are worth it.
    """
    small = files.nbytes <= base.MEMORY_BUDGET
    if keep and files.nbytes >= cache.WORTH:
        count = len(files.names)
        files.cache = cache.reserve(files.key, files.shape, numpy_type(files.dtype), count, [] if small else notes)
    return files.read_all() if small else (files, {})


def choose_shape(
    headers: Sequence[Header],
    size: int | None,
    gray: bool | None,
    like: Mapping[str, Any] | None,
    whole: int | None,
    largest: int | None,
    notes: list[str],
    shown: str,
) -> tuple[int, int, int]:
    """The one (C, H, W) that files with these headers become."""
    channels = 1 if (all(header.gray for header in headers) if gray is None else gray) else 3
    sizes = {(header.height, header.width) for header in headers}
    if like is not None:
        wanted = shape_of(like)
        if len(wanted) == 3 and wanted[0] in (1, 3):
            channels, height, width = wanted
        elif len(wanted) == 1 and len(sizes) == 1 and channels * int(np.prod(next(iter(sizes)))) == wanted[0]:
            height, width = next(iter(sizes))  # a run on rows of numbers: open_data flattens
        else:
            raise BadInput(f"{shown}: holds pictures, but this run takes {base.kind_of_item(wanted)}")
    elif size is not None:
        height = width = size
    elif len(sizes) == 1:
        height, width = next(iter(sizes))
        most = largest if whole is None else whole
        if most is not None and max(height, width) > most:
            scale = most / max(height, width)
            height, width = max(1, round(scale * height)), max(1, round(scale * width))
            notes.append(f"pictures of {times(*sizes)}: made {times((height, width))}; --size chooses another")
    else:
        height = width = MIXED_SIZE if whole is None else whole
        how = "shorter side, centre crop" if whole is None else "nothing cut off"
        notes.append(f"pictures of mixed sizes: each made {times((height, width))} ({how}); --size chooses another")
    return channels, height, width


def nothing_in(shown: str, others: Counter[str]) -> BadInput:
    if not others:
        return BadInput(f"{shown}: is empty")
    kinds = ", ".join(suffix for suffix, _ in others.most_common(5))
    if set(others) & set(VIDEOS):
        kinds += f"; {AS_PICTURES}"
    return BadInput(f"{shown}: holds no pictures ({', '.join(SUFFIXES)}); it holds {kinds}")


def changed(data: Data, before: Mapping[str, Any], parts: Mapping[str, Any]) -> str | None:
    """How a set differs from the one whose source was `before` and whose `record_parts` were `parts`; None: in nothing.

    One line: files that are gone, broken or new, by name; else that what is in them has changed.
    """
    if data.source.get("fingerprint") == before.get("fingerprint"):
        return None
    old = {name for kept in parts.values() if not isinstance(kept, str) for name in kept}
    now, broken = set(data.names) if old else set(), {name for name, _ in data.skipped}
    kinds = {"gone": old - now - broken, "broken": old & broken, "new": now - old}
    told = []
    for kind, names in kinds.items():
        if names:
            first = ", ".join(sorted(names)[:3]) + (", …" if len(names) > 3 else "")
            told.append(f"{len(names)} {'file is' if len(names) == 1 else 'files are'} {kind} ({first})")
    return ", ".join(told) or ("the contents of some file have changed" if old else "its contents have changed")
