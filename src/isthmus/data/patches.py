"""Patches of images at native scale, for jobs such as restoration whose training images must not be downsized."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from isthmus.data.base import numpy_type
from isthmus.data.decoding import Files, reason_of
from isthmus.data.parallel import in_processes, shared
from isthmus.errors import BadInput
from isthmus.media import resize

OVERLAP = 64  # pixels that neighbors share at least, or half of a patch, so that patches contain nearly all small crops


def corners(height: int, width: int, size: int) -> np.ndarray:
    """N×2, top and left of the patches that cover an image, evenly spaced; one if it is not larger than a patch."""

    def starts(length: int) -> np.ndarray:
        last = max(0, length - size)
        count = 1 + -(-last // (size - min(OVERLAP, size // 2)))
        return np.linspace(0, last, count).round().astype(np.int64)

    return np.stack(np.meshgrid(starts(height), starts(width), indexing="ij"), -1).reshape(-1, 2)


def choose_patches(files: Files, most: int, notes: list[str]) -> np.ndarray:
    """N×3, (file, top, left) of each patch of `files`, image by image.

    most: maximum number of patches. Beyond it, each image keeps equally many, at least one, drawn once.
    """
    size = files.shape[1]
    patches = [corners(int(info["height"]), int(info["width"]), size) for info in files.infos]
    total, kept = sum(map(len, patches)), max(1, most // max(1, len(patches)))
    if total > most:
        random = np.random.RandomState(0)  # the only stream that numpy guarantees not to change
        patches = [each[np.sort(random.permutation(len(each))[:kept])] for each in patches]
        notes.append(f"of each image at most {kept} squares of {size}×{size}: {sum(map(len, patches))} of {total}")
    return np.concatenate([np.insert(each, 0, number, 1) for number, each in enumerate(patches)])


def read_patches(files: Files, patches: np.ndarray) -> tuple[Tensor, dict[int, str]]:
    """(`patches` (N×3, ascending) as N×C×size×size, each file decoded once; reasons why files cannot be read)."""
    items = shared((len(patches), *files.shape), numpy_type(files.dtype))
    edges = np.searchsorted(patches[:, 0], np.arange(len(files.names) + 1))

    def decode(number: int) -> str:
        path = files.folder / files.names[number]
        try:
            picture = files.read_one(number)
        except BadInput as error:
            return reason_of(error, path)
        for row in range(edges[number], edges[number + 1]):
            items[row] = resize.crop(picture, files.shape, items.dtype, patches[row, 1:], files.white)
        return ""

    reasons = in_processes(decode, range(len(files.names)))
    return torch.from_numpy(items), {number: reason for number, reason in enumerate(reasons) if reason}
