"""Arrays, .npy and .npz files and TIFF stacks as folders of one TIFF for each item: this job reads folders alone."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from isthmus.data.cache import cache_limit
from isthmus.data.download import cache_folder
from isthmus.data.numpy_files import load
from isthmus.errors import BadInput
from isthmus.jobs.segmentation.classes import smallest_type
from isthmus.media.array_axes import image_axes, to_images
from isthmus.media.png_tiff_writer import write_tiff
from isthmus.media.video.animation import Pages
from isthmus.types import times

ARRAYS, STACKS = (".npy", ".npz"), (".tif", ".tiff")
ACCEPTED = "accepted are images N×H×W, N×H×W×C or N×C×H×W with masks N×H×W"


def as_folders(data: Any, masks: Any) -> tuple[Any, Any]:
    """Images and masks, each as a folder if it is an array, a .npy, a .npz or a TIFF, else unchanged.

    Without `masks`, those in a .npz of images are taken. Raises BadInput for arrays that do not belong together.
    """
    if not is_packed(data):
        if masks is not None and not isinstance(masks, (str, Path)):
            raise BadInput(f"{data}: a folder of images, and its masks are an array; a folder of masks is accepted")
        return data, masks
    images, own = values_of(data)
    masks = own if masks is None else masks
    name, shown = stem_of(data, "images"), data if isinstance(data, (str, Path)) else "images"
    if masks is None or not is_packed(masks):
        axes = image_axes(images.shape)
        if "N" not in axes:
            raise BadInput(f"{shown}: an array of {times(images.shape)} without an array of masks; {ACCEPTED}")
        return folder_of_items(to_images(images, axes), name), masks
    labels = labels_of(masks)
    labels = labels[None] if labels.ndim == 2 else labels
    images = images[None] if len(labels) == 1 and len(images) > 1 else images  # H×W, H×W×C or C×H×W
    count, size = len(labels), labels.shape[1:3]
    if images.shape == (count, *size):
        images = images[..., None]
    elif images.ndim == 4 and (len(images), *images.shape[2:]) == (count, *size):
        images = np.moveaxis(images, 1, -1)
    if images.ndim != 4 or images.shape[:3] != (count, *size):
        raise BadInput(f"{shown}: {times(images.shape)}, and masks of {times(labels.shape)}; {ACCEPTED}")
    labels = labels if labels.ndim == 4 else labels[..., None]
    return folder_of_items(images, name), folder_of_items(labels, stem_of(masks, "masks"))


def is_packed(source: Any) -> bool:
    if isinstance(source, (str, Path)):
        return Path(source).is_file() and Path(source).suffix.lower() in (*ARRAYS, *STACKS)
    return isinstance(source, (np.ndarray, Tensor))


def stem_of(source: Any, default: str) -> str:
    return Path(source).stem if isinstance(source, (str, Path)) else default


def values_of(source: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """The array of a source, and the labels in a .npz or None. Raises BadInput for one that is not of numbers."""
    if isinstance(source, (str, Path)):
        path = Path(source)
        array, labels = (pages_of(path), None) if path.suffix.lower() in STACKS else load(path)
    else:
        array, labels = source.detach().cpu().numpy() if isinstance(source, Tensor) else source, None
    if array.dtype.kind not in "buif" or 0 in array.shape:
        shape = times(array.shape) or "one value"
        raise BadInput(f"an array of {shape} of {array.dtype}; numbers are accepted, of one item or more")
    return array, labels


def labels_of(source: Any) -> np.ndarray:
    """N×H×W or H×W integers, or N×H×W×3 uint8 colors, in the smallest type. Raises BadInput for other numbers."""
    array, own = values_of(source)
    array = array if own is None else own
    if array.ndim == 4 and 1 in (array.shape[1], array.shape[-1]):
        array = array[..., 0] if array.shape[-1] == 1 else array[:, 0]
    colors = array.ndim == 4 and array.shape[-1] == 3
    if array.dtype.kind not in "bui" or (array.ndim not in (2, 3) and not colors):
        shown = source if isinstance(source, (str, Path)) else "masks"
        raise BadInput(f"{shown}: {times(array.shape)} of {array.dtype}; masks N×H×W of integers are accepted")
    return np.asarray(array, smallest_type(int(array.min()), int(array.max())))


def pages_of(path: Path) -> np.ndarray:
    """N×H×W, or N×H×W×C, of the pages of a TIFF; where its metadata call the pages channels, these are C.

    Raises BadInput for pages of different sizes or types.
    """
    film = Pages(path)
    pages = [frame.photo.samples() for frame in film.frames()]
    kinds = dict.fromkeys(f"{times(page.shape)} {page.dtype}" for page in pages)
    if len(kinds) > 1:
        raise BadInput(f"{path}: has pages of {' and of '.join(kinds)}; pages of one size and type are accepted")
    stack = np.stack(pages)
    if (at := film.axes.find("C")) >= 0:
        stack = np.moveaxis(stack[..., 0].reshape(*film.sizes, *stack.shape[1:3]), at, -1)
        stack = stack.reshape(-1, *stack.shape[-3:])
    return stack[..., 0] if stack.shape[-1] == 1 else stack


def folder_of_items(items: np.ndarray, name: str) -> Path:
    """A folder in the cache of the items of N×H×W×C as 000.tif, 001.tif, …; the same one for the same values.

    The least recently used folders are removed to make room.
    """
    items = items.astype(np.float32) if items.dtype.kind == "f" or items.dtype.itemsize > 4 else items
    items = np.multiply(items, 255, dtype=np.uint8) if items.dtype == bool else items
    digest = hashlib.sha256(f"{items.shape} {items.dtype.str}".encode())
    for item in items:
        digest.update(np.ascontiguousarray(item).data)
    folder = cache_folder() / "unpacked" / f"{name}-{digest.hexdigest()[:12]}"
    if folder.is_dir():
        os.utime(folder)  # marks it as recently used
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    make_room(folder.parent, items.nbytes)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix="."))
    try:
        digits, bands = max(3, len(str(len(items) - 1))), items.shape[-1] - (3 if items.shape[-1] > 2 else 1)
        for number, item in enumerate(items):
            write_tiff(temporary / f"{number:0{digits}}.tif", np.ascontiguousarray(item), ["unspecified"] * bands)
        if not folder.is_dir():  # another process may have been faster
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def make_room(folder: Path, wanted: int) -> None:
    """Remove the least recently used folders, so that `wanted` more bytes do not exceed the size of the cache."""
    used = {one: sum(file.stat().st_size for file in one.iterdir()) for one in folder.iterdir() if one.is_dir()}
    for one in sorted(used, key=lambda one: one.stat().st_mtime):
        if sum(used.values()) + wanted > cache_limit():
            shutil.rmtree(one, ignore_errors=True)
            used.pop(one)
