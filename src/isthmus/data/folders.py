"""Image folders and single image files as Data, in memory or read a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data import base, cache
from isthmus.data.base import Data, numpy_type
from isthmus.data.decoding import Files, fingerprint, read_headers
from isthmus.data.find_images import films_left_out, find_pictures, nothing_in
from isthmus.data.mask_files import without_masks
from isthmus.data.patches import choose_patches, read_patches
from isthmus.data.preparation import file_numbers, outside
from isthmus.errors import BadInput
from isthmus.fields import NEAREST, Range, ends_of, shape_of
from isthmus.media.array_values import Span
from isthmus.media.bit_depth import choose_range, span_of
from isthmus.media.file_content import Header
from isthmus.types import times

MIXED_SIZE = 64  # height and width for images of mixed sizes without the option size


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
    kind: str = "image",
) -> Data:
    """All images of a folder except masks of others, or one file, as images of one shape.

    The shape is the one of `like`, or `size`×`size`, or the common shape of all, or 64×64 with a note. Gray if every
    file is gray or by option; 16 bits if any file has them. Broken files are listed in `skipped`; only in a set larger
    than MEMORY_BUDGET they may be detected later, as CorruptFiles from `batch`.

    cut: images of several sizes, or larger ones, are not resized but cut into patches of that size at native scale: all
    patches if they fit MEMORY_BUDGET, else as many as fit, and at least one per image. `pictures` has the image of
    each. whole: images are stretched to the shape, height and width separately, instead of cropped; without `size`
    neither is longer than that. names: only these images of the folder, masks or not. largest: images of one shape
    are downsized, without `size`, so that neither height nor width is longer than that. kind: "image", or "mask" or
    "labels", which have one channel and are resized without interpolation; labels keep their stored values.

    Raises BadInput if no image can be read.
    """
    shown, folder, notes = str(path), path.parent, list[str]()
    if path.is_dir():
        shown, folder = shown.rstrip("/") + "/", path
        if not names:
            names, others = find_pictures(path)
            if not names:
                raise nothing_in(shown, others)
            notes += films_left_out(shown, others)
            names = without_masks(path, names, notes) if kind == "image" else names
    else:
        names = [path.name]
    names = names[:first]
    kept, infos, reasons = read_headers(folder, names)
    patches: np.ndarray | None = None
    broken: dict[int, str] = {}
    data_range: Range = (0.0, 255.0)
    if kept:
        headers = [Header(*header) for header in np.unique(infos[list(Header._fields)]).tolist()]
        if count := sum(int(bands > 0) for bands in infos["bands"]):
            notes.append(
                f"{shown}: {count} of {len(kept)} files have channels besides color (near infrared or others), which "
                "are left out; N×C×H×W as .npy is taken with all of its channels"
            )
        if count := int(infos["several"].sum()):
            notes.append(f"{shown}: {count} of {len(kept)} files hold several pictures, of which the first is taken")
        side = patch_size(headers, cut, like)
        shape = choose_shape(
            headers, side or size, True if kind in NEAREST else gray, like, whole, largest, notes, shown
        )
        units = {header.units for header in headers}
        deep = any(header.deep for header in headers)
        dtype, data_range = file_numbers(like or {}, deep, units=all(units))
        if kind == "labels":
            dtype = torch.int32 if deep else torch.uint8
        stretched = whole is not None if like is None else bool(like.get("whole"))
        if ends_of(data_range)[0] != 0:  # a run in units, whose values have no white level
            infos["stated"] = False
        files = Files(folder, kept, infos, shape, dtype, stretched=stretched, kind=kind)
        files.white = ends_of(data_range)[1] if dtype == torch.uint16 else files.white
        items: Tensor | Files = files
        if side is not None:
            patches = choose_patches(files, base.MEMORY_BUDGET * len(kept) // files.nbytes, notes)
        if patches is not None and files.nbytes <= base.MEMORY_BUDGET:
            items, broken = read_patches(files, patches)
        else:
            if patches is not None:  # one patch per image
                files.corners, patches = patches[:, 1:], None
            items, broken = read_images(files, path.is_dir(), notes)
        reasons |= {kept[index]: reason for index, reason in broken.items()}
        unstated = bool(infos["deep"].all()) and not infos["stated"].any()
        all_deep = dtype == torch.uint16 and unstated
        if dtype == torch.float32 or (
            dtype == torch.uint16 and (like is None or all_deep or data_range != (0.0, 65535.0))
        ):
            count = len(items) if isinstance(items, Tensor) else len(kept)
            span = span_of(items, count, broken if patches is None else ())
            if like is None:
                data_range = range_of_files(span, infos, notes, numpy_type(dtype))
            notes += [] if like is None else outside(span, data_range, numpy_type(dtype) if all_deep else None)
        elif dtype == torch.uint8 and like is not None and unstated and kind == "image":  # 16 bits of a run on 8 bits
            eight = span_of(items, len(items) if isinstance(items, Tensor) else len(kept), broken)
            notes += outside(Span(0.0, max(0.0, eight.high - 0.5) * 257), (0.0, 65535.0), np.dtype(np.uint16))
    skipped = [(name.encode(errors="replace").decode(), reasons[name]) for name in names if name in reasons]
    if len(skipped) == len(names):
        if path.is_file():
            raise BadInput(f"{path}: {skipped[0][1]}")
        listed = "; ".join(f"{name}: {reason}" for name, reason in skipped[:3])
        more = "; …" if len(skipped) > 3 else ""
        raise BadInput(f"{shown}: no picture that can be read ({len(skipped)} broken: {listed}{more})")
    owners = np.arange(len(kept)) if patches is None else patches[:, 0]  # the file of each item
    readable = np.isin(owners, list(broken), invert=True)
    rows = np.flatnonzero(readable) if broken else None
    item_names = kept if patches is None else [f"{kept[number]}#{top},{left}" for number, top, left in patches.tolist()]
    if broken:
        item_names, owners = [item_names[row] for row in np.flatnonzero(readable).tolist()], owners[readable]
        intact = [index for index in range(len(infos)) if index not in broken]
        kept, infos = [kept[index] for index in intact], infos[intact]
    source = {
        "kind": "folder" if path.is_dir() else "file",
        "path": str(path.resolve()),
        "fingerprint": fingerprint(kept, infos),
        "count": len(item_names),
        "size": list(shape[1:]),
        "gray": shape[0] == 1,
    }
    if dtype == torch.float32:
        source |= {"dtype": units.pop() if len(units) == 1 else "float32"}
    if side is not None:
        source |= {"cut": side, "pictures": len(kept)}
    data = Data(items, shape, data_range, item_names, skipped=skipped, notes=notes, source=source, rows=rows, kind=kind)
    return data if patches is None else replace(data, pictures=owners)


def range_of_files(span: Span, infos: np.ndarray, notes: list[str], dtype: np.dtype) -> Range:
    """The values of new files of 16 bits or in units that are scaled to 0 and 1: stated by all files, or inferred."""
    range_notes: list[str] = []
    range = choose_range(dtype, span, range_notes)
    if dtype == np.uint16 and range[0] == 0 and infos["stated"][infos["deep"]].all():
        return (0.0, 65535.0)
    notes += range_notes
    return range


def patch_size(kinds: Sequence[Header], cut: int | None, like: Mapping[str, Any] | None) -> int | None:
    """Size of the patches of images with these headers, at most the size of the largest image; None: no patches."""
    if like is not None:
        return shape_of(like)[-1] if like.get("cut") else None
    if cut is None:
        return None
    cut = min(cut, max(min(kind.height, kind.width) for kind in kinds))
    one_size = len({(kind.height, kind.width) for kind in kinds}) == 1  # such images, if not much larger, are patches
    return None if one_size and kinds[0].height * kinds[0].width <= 4 * cut**2 else cut


def read_images(files: Files, keep: bool, notes: list[str]) -> tuple[Tensor | Files, dict[int, str]]:
    """(all items as a tensor if they fit MEMORY_BUDGET, else the files; reasons why some cannot be read, by index).

    keep: cache them, if they are not small.
    """
    small = files.nbytes <= base.MEMORY_BUDGET
    if keep and files.nbytes >= cache.MIN_BYTES:
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
    """The common (C, H, W) of files with these headers."""
    channels = 1 if (all(header.gray for header in headers) if gray is None else gray) else 3
    sizes = {(header.height, header.width) for header in headers}
    if like is not None:
        wanted = shape_of(like)
        if len(wanted) == 3 and wanted[0] in (1, 3):
            channels, height, width = wanted
        elif len(wanted) == 1 and len(sizes) == 1 and channels * int(np.prod(next(iter(sizes)))) == wanted[0]:
            height, width = next(iter(sizes))  # the run takes rows: open_data flattens
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
        policy = "shorter side, center crop" if whole is None else "nothing cut off"
        notes.append(f"pictures of mixed sizes: each made {times((height, width))} ({policy}); --size chooses another")
    return channels, height, width


def changed(data: Data, before: Mapping[str, Any], parts: Mapping[str, Any]) -> str | None:
    """The differences of a set from the set with source `before` and `record_parts` `parts`; None without any.

    One line: files that are gone, broken or new, by name; else that their contents have changed.
    """
    if data.source.get("fingerprint") == before.get("fingerprint"):
        return None
    old = {name for kept in parts.values() if not isinstance(kept, str) for name in kept}
    now, broken = set(data.names) if old else set(), {name for name, _ in data.skipped}
    kinds = {"gone": old - now - broken, "broken": old & broken, "new": now - old}
    differences = []
    for kind, names in kinds.items():
        if names:
            first = ", ".join(sorted(names)[:3]) + (", …" if len(names) > 3 else "")
            differences.append(f"{len(names)} {'file is' if len(names) == 1 else 'files are'} {kind} ({first})")
    return ", ".join(differences) or ("the contents of some file have changed" if old else "its contents have changed")
