"""Arrays, .npy and .npz files and TIFF stacks as folders of one TIFF for each item: this job reads folders alone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from isthmus.data.find_images import find_pictures
from isthmus.data.numpy_files import load
from isthmus.errors import BadInput
from isthmus.jobs.segmentation.classes import smallest_type
from isthmus.jobs.segmentation.labels.names import match
from isthmus.jobs.segmentation.unpacked import folder_of_items, folder_of_pages, pages_of
from isthmus.media.array_axes import image_axes, to_images
from isthmus.media.video.open import is_video
from isthmus.types import times

ARRAYS, STACKS = (".npy", ".npz"), (".tif", ".tiff")
ACCEPTED = "accepted are images N×H×W, N×H×W×C or N×C×H×W with masks N×H×W"


def as_folders(data: Any, masks: Any) -> tuple[Any, Any]:
    """Images and masks, each as a folder if it is an array, a .npy, a .npz or a TIFF, else unchanged.

    In folders, stacks of images whose masks are stacks, too, become their pages. Without `masks`, those in a .npz of
    images are taken. Raises BadInput for arrays that do not belong together.
    """
    if not is_packed(data):
        if masks is not None and not isinstance(masks, (str, Path)):
            raise BadInput(f"{data}: a folder of images, and its masks are an array; a folder of masks is accepted")
        return pages_in_folders(data, masks)
    images, own = values_of(data)
    images = images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images
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


def pages_in_folders(data: Any, masks: Any) -> tuple[Any, Any]:
    """Folders of images and masks, in which a stack of images and its stack of masks are replaced by their pages."""
    if not isinstance(data, (str, Path)):
        return data, masks
    images, labels = Path(data).resolve(), Path(data if masks is None else masks).resolve()
    if not images.is_dir() or not labels.is_dir():
        return data, masks
    inside, pairs = labels.is_relative_to(images), dict[str, str]()
    names = find_pictures(images)[0]
    if inside and labels != images:
        names = [name for name in names if not (images / name).is_relative_to(labels)]
    with suppress(BadInput):  # told where the labels are opened
        pairs = match(names, find_pictures(labels)[0], labels == images)[0]
    pairs = {one: other for one, other in pairs.items() if is_stack(images / one) and is_stack(labels / other)}
    if not pairs:
        return data, masks
    if not inside:
        return folder_of_pages(images, list(pairs)), folder_of_pages(labels, sorted(set(pairs.values())))
    below = labels.relative_to(images)
    copy = folder_of_pages(images, [*pairs, *((below / name).as_posix() for name in pairs.values())])
    return copy, None if masks is None else copy / below


def is_stack(path: Path) -> bool:
    return path.suffix.lower() in STACKS and is_video(path)


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
