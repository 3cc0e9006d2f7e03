"""Folders of one TIFF for each item, of arrays and of the pages of TIFF stacks; kept in the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from isthmus.data.cache import cache_limit
from isthmus.data.decoding import fingerprint, read_headers
from isthmus.data.download import cache_folder
from isthmus.errors import BadInput
from isthmus.jobs.segmentation.labels.names import IMAGE_ENDINGS, LABEL_ENDINGS, without
from isthmus.media.png_tiff_writer import write_tiff
from isthmus.media.video.animation import Pages
from isthmus.types import times

ENDINGS = (*LABEL_ENDINGS, *IMAGE_ENDINGS)


def pages_of(path: Path, items: int | None = None) -> np.ndarray:
    """N×H×W×C of the pages of a TIFF; N×H×W if C is 1.

    items: the expected number, if known. If there are more pages, those that the metadata call channels are C; if there
    are as many pages, each is an item, because ImageJ calls the slices of many stacks channels. Raises BadInput for
    pages of different sizes or types.
    """
    film = Pages(path)
    pages = [frame.photo.samples() for frame in film.frames()]
    kinds = dict.fromkeys(f"{times(page.shape)} {page.dtype}" for page in pages)
    if len(kinds) > 1:
        raise BadInput(f"{path}: has pages of {' and of '.join(kinds)}; pages of one size and type are accepted")
    stack = np.stack(pages)
    if items not in (None, len(stack)) and film.channels > 1:
        stack = np.moveaxis(stack[..., 0].reshape(*film.sizes, *stack.shape[1:3]), film.axes.index("C"), -1)
        stack = stack.reshape(-1, *stack.shape[-3:])
    return stack[..., 0] if stack.shape[-1] == 1 else stack


def folder_of_items(items: np.ndarray, name: str) -> Path:
    """A folder of the items of N×H×W×C as 000.tif, 001.tif, …; the same one for the same values."""
    items = items.astype(np.float32) if items.dtype.kind == "f" or items.dtype.itemsize > 4 else items
    items = np.multiply(items, 255, dtype=np.uint8) if items.dtype == bool else items
    digest = hashlib.sha256(f"{items.shape} {items.dtype.str}".encode())
    for item in items:
        digest.update(np.ascontiguousarray(item).data)

    def fill(folder: Path) -> None:
        for number, item in zip(numbers_to(len(items)), items, strict=True):
            write_item(folder / f"{number}.tif", item)

    return cached(f"{name}-{digest.hexdigest()[:12]}", items.nbytes, fill)


def folder_of_pages(folder: Path, stacks: Mapping[str, int | None]) -> Path:
    """A copy of a folder in which `stacks`, TIFFs of several pages, are files of one item each; others are links.

    stacks: their names, and the number of items of each, if known (see pages_of).
    Page 7, counted from 0, of cells.tif is cells-007.tif, and of cells_mask.tif cells-007_mask.tif.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    known, infos, _ = read_headers(folder, list(stacks))

    def fill(copy: Path) -> None:
        for name in names:
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if name not in stacks:
                target.symlink_to((folder / name).resolve())
                continue
            pages, count = pages_of(folder / name, stacks[name]), len(without(target.stem.lower(), ENDINGS))
            stem, ending = target.stem[:count], target.stem[count:]
            for number, page in zip(numbers_to(len(pages)), pages, strict=True):
                page = page if page.ndim == 3 else page[..., None]
                write_item(target.with_name(f"{stem}-{number}{ending}.tif"), page)

    digest = hashlib.sha256(f"{folder.resolve()} {names} {stacks} {fingerprint(known, infos)}".encode()).hexdigest()
    return cached(f"{folder.name}-{digest[:12]}", int(infos["length"].sum()), fill)


def numbers_to(count: int) -> list[str]:
    """000, 001, …; longer from 1,000 on."""
    digits = max(3, len(str(count - 1)))
    return [f"{number:0{digits}}" for number in range(count)]


def write_item(path: Path, item: np.ndarray) -> None:
    """H×W×C as a TIFF: gray, or color from three channels on, and further bands."""
    bands = item.shape[-1] - (3 if item.shape[-1] > 2 else 1)
    write_tiff(path, np.ascontiguousarray(item), ["unspecified"] * bands)


def cached(name: str, nbytes: int, fill: Callable[[Path], None]) -> Path:
    """The folder of this name in the cache; `fill` writes it, unless it is there. The oldest ones make room."""
    folder = cache_folder() / "unpacked" / name
    if folder.is_dir():
        os.utime(folder)  # marks it as recently used
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    make_room(folder.parent, nbytes)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix="."))
    try:
        fill(temporary)
        if not folder.is_dir():  # another process may have been faster
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def make_room(folder: Path, wanted: int) -> None:
    """Remove the least recently used folders, so that `wanted` more bytes do not exceed the size of the cache."""
    used = {one: sum(file.lstat().st_size for file in one.rglob("*")) for one in folder.iterdir() if one.is_dir()}
    for one in sorted(used, key=lambda one: one.stat().st_mtime):
        if sum(used.values()) + wanted > cache_limit():
            shutil.rmtree(one, ignore_errors=True)
            used.pop(one)
