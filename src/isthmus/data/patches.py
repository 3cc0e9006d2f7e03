"""Pictures cut into squares at their own scale: what a job that restores learns from, for shrinking would be wrong."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from isthmus.data.base import numpy_type
from isthmus.data.decoding import Files, why
from isthmus.data.parallel import in_processes, shared
from isthmus.errors import BadInput
from isthmus.media import resize

OVERLAP = 64  # pixels that neighbours share at least, or half of them: hardly a crop of that size is in none of them


def corners(height: int, width: int, side: int) -> np.ndarray:
    """N×2, top and left of the squares that cover a picture, evenly spread; one where it is no larger than a square."""

    def starts(length: int) -> np.ndarray:
        beyond = max(0, length - side)
        count = 1 + -(-beyond // (side - min(OVERLAP, side // 2)))
        return np.linspace(0, beyond, count).round().astype(np.int64)

    return np.stack(np.meshgrid(starts(height), starts(width), indexing="ij"), -1).reshape(-1, 2)


def cut_up(files: Files, most: int, notes: list[str]) -> np.ndarray:
    """N×3, the file, top and left of each square of all `files`, picture by picture.

    most: squares in all. Of more, each picture keeps as many as any other, one at least, drawn once for all.
    """
    side = files.shape[1]
    found = [corners(int(look["height"]), int(look["width"]), side) for look in files.looks]
    total, kept = sum(map(len, found)), max(1, most // max(1, len(found)))
    if total > most:
        random = np.random.RandomState(0)  # of numpy's streams the one that is frozen
        found = [each[np.sort(random.permutation(len(each))[:kept])] for each in found]
        notes.append(f"of each picture at most {kept} squares of {side}×{side}: {sum(map(len, found))} of {total}")
    return np.concatenate([np.insert(each, 0, number, 1) for number, each in enumerate(found)])


def read_squares(files: Files, squares: np.ndarray) -> tuple[Tensor, dict[int, str]]:
    """`squares` (N×3, ascending) as N×C×side×side, each file decoded once; and why some cannot be read, by number."""
    whole = shared((len(squares), *files.shape), numpy_type(files.dtype))
    edges = np.searchsorted(squares[:, 0], np.arange(len(files.names) + 1))

    def decode(number: int) -> str:
        path = files.folder / files.names[number]
        try:
            picture = files.read_one(number)
        except BadInput as error:
            return why(error, path)
        for row in range(edges[number], edges[number + 1]):
            whole[row] = resize.crop(picture, files.shape, whole.dtype, squares[row, 1:], files.white)
        return ""

    told = in_processes(decode, range(len(files.names)))
    return torch.from_numpy(whole), {number: reason for number, reason in enumerate(told) if reason}
