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
from isthmus.jobs.segmentation.item_folders import folder_of_items, folder_of_pages, pages_of
from isthmus.jobs.segmentation.labels.names import match
from isthmus.media.array_axes import image_axes, to_images
from isthmus.media.image_reader import peek
from isthmus.media.video.animation import Pages
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
    name, shown = stem_of(data, "images"), data if isinstance(data, (str, Path)) else "images"
    labels = masks_in(masks) if is_packed(masks) else None
    shape = labels.shape[:3] if labels is not None else shape_in(masks)
    images, own = values_of(data, None if shape is None else shape[0])
    if masks is None and own is not None:
        labels = as_masks(own, shown)
        shape = labels.shape[:3]
    folder = folder_of_items(as_items(images, shape, shown), name)
    if labels is None:
        return folder, masks
    labels = labels if labels.ndim == 4 else labels[..., None]
    return folder, folder_of_items(labels, stem_of(masks, "masks"))


def as_items(images: np.ndarray, shape: tuple[int, ...] | None, shown: Any) -> np.ndarray:
    """N×H×W×C of an array of images whose masks have the shape N×H×W; None: unknown. Raises BadInput."""
    if shape is None:
        axes = image_axes(images.shape)
        if "N" not in axes:
            raise BadInput(f"{shown}: an array of {times(images.shape)} without an array of masks; {ACCEPTED}")
        return to_images(images, axes)
    items = images[None] if shape[0] == 1 and len(images) > 1 else images  # H×W, H×W×C or C×H×W
    items = items[..., None] if items.ndim == 3 else items
    if items.ndim == 4 and items.shape[:3] != shape:
        items = np.moveaxis(items, 1, -1)
    if items.ndim != 4 or items.shape[:3] != shape:
        raise BadInput(f"{shown}: {times(images.shape)}, and masks of {times(shape)}; {ACCEPTED}")
    return items


def shape_in(masks: Any) -> tuple[int, int, int] | None:
    """N×H×W of a folder of masks, such as an earlier one of the same array; None without one."""
    if not isinstance(masks, (str, Path)) or not Path(masks).is_dir() or not (names := find_pictures(Path(masks))[0]):
        return None
    header = peek(Path(masks) / names[0])
    return len(names), header.height, header.width


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
    items = {one: Pages(labels / other).count for one, other in pairs.items()}
    if not inside:
        return folder_of_pages(images, items), folder_of_pages(labels, dict.fromkeys(pairs.values()))
    below = labels.relative_to(images)
    copy = folder_of_pages(images, {**items, **dict.fromkeys((below / name).as_posix() for name in pairs.values())})
    return copy, None if masks is None else copy / below


def is_stack(path: Path) -> bool:
    return path.suffix.lower() in STACKS and is_video(path)


def is_packed(source: Any) -> bool:
    if isinstance(source, (str, Path)):
        return Path(source).is_file() and Path(source).suffix.lower() in (*ARRAYS, *STACKS)
    return isinstance(source, (np.ndarray, Tensor))


def stem_of(source: Any, default: str) -> str:
    return Path(source).stem if isinstance(source, (str, Path)) else default


def values_of(source: Any, items: int | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """The array of a source, and the labels in a .npz or None. items: of pages_of. Raises BadInput for no numbers."""
    if isinstance(source, (str, Path)):
        path = Path(source)
        array, labels = (pages_of(path, items), None) if path.suffix.lower() in STACKS else load(path)
    else:
        array, labels = source.detach().cpu().numpy() if isinstance(source, Tensor) else source, None
    if array.dtype.kind not in "buif" or 0 in array.shape:
        shape = times(array.shape) or "one value"
        raise BadInput(f"an array of {shape} of {array.dtype}; numbers are accepted, of one item or more")
    return array, labels


def values_for(source: Any, channels: int) -> np.ndarray:
    """The array of a source for a network of so many channels, which pages may be."""
    if not has_channels(source, channels):
        return values_of(source)[0]
    return values_of(source, Pages(Path(source)).count // channels)[0]


def has_channels(source: Any, channels: int) -> bool:
    """Whether pages of a stack are channels by its metadata, and so many."""
    return channels > 1 and is_packed(source) and is_stack(Path(source)) and Pages(Path(source)).channels == channels


def masks_in(source: Any) -> np.ndarray:
    array, own = values_of(source)
    return as_masks(array if own is None else own, source if isinstance(source, (str, Path)) else "masks")


def as_masks(array: np.ndarray, shown: Any) -> np.ndarray:
    """N×H×W integers, or N×H×W×3 colors, in the smallest type. Raises BadInput for other numbers."""
    array = array[None] if array.ndim == 2 else array
    if array.ndim == 4 and 1 in (array.shape[1], array.shape[-1]):
        array = array[..., 0] if array.shape[-1] == 1 else array[:, 0]
    colors = array.ndim == 4 and array.shape[-1] == 3
    if array.dtype.kind not in "bui" or (array.ndim != 3 and not colors):
        raise BadInput(f"{shown}: {times(array.shape)} of {array.dtype}; masks N×H×W of integers are accepted")
    return np.asarray(array, smallest_type(int(array.min()), int(array.max())))
