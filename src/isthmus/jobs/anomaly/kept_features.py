"""Features of all items of a data set, computed once and kept in half precision, in memory or in the cache on disk."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data, base, cache
from isthmus.data.skip_corrupt import CorruptFiles
from isthmus.distributed import first_rank
from isthmus.errors import Note
from isthmus.features.grid import FeatureGrid
from isthmus.training.progress import Progress

ITEMS = 16  # images whose features are computed together
LARGEST = 65504.0  # number of half precision


@dataclass
class OnDisk:
    """N×K×h×w in the cache, read through a memory map."""

    values: np.ndarray
    dtype: torch.dtype = torch.float16

    def read(self, indices: np.ndarray) -> Tensor:
        return torch.from_numpy(self.values[indices])


def with_features(model: Autoencoder, data: Data, quiet: bool = False) -> Data:
    """The data with the field "features": before standardization, as Expression.in_features takes them.

    Features that fit neither into memory nor into the cache are left out, and every step computes them again; a note
    says so. quiet: no progress is shown.
    """
    grid = model.features
    assert grid is not None
    count, shape = len(data), grid.out_shape
    size = 2 * count * math.prod(shape)
    in_memory, key = size <= base.MEMORY_BUDGET, key_of(grid, data)
    file = cache.reserve(key, shape, np.dtype(np.float16), count, []) if key and size >= cache.MIN_BYTES else None
    rows = np.zeros((count, *shape), np.float16) if in_memory else None
    corrupt = compute(model, data, rows, file, quiet) if in_memory or file is not None else set()
    mapped = None if in_memory or file is None else file.mapped(corrupt)
    if rows is not None:
        items: Tensor | OnDisk = torch.from_numpy(rows)
    elif mapped is not None:
        items = OnDisk(mapped)
    else:
        warnings.warn(
            f"features of {count} images, {size / 1e9:.3g} GB in half precision, fit neither in memory nor in the "
            "cache: every step computes them again; a smaller --size or grid, or a larger ISTHMUS_CACHE_GB, avoids it",
            Note,
            stacklevel=3,
        )
        return data
    return data.with_field("features", Data(items, shape, (0.0, 1.0), data.names, kind="features"))


@torch.no_grad()
def compute(
    model: Autoencoder, data: Data, rows: np.ndarray | None, file: cache.Decoded | None, quiet: bool
) -> set[int]:
    """Fill `rows` and the file of the cache, each unless it is None; items that the file has are read from it.

    Returns the items that cannot be read, whose features are zeros: reading the image raises the same error then.
    """
    grid, count, corrupt = model.features, len(data), set[int]()
    assert grid is not None
    with Progress(count, quiet=quiet or not first_rank(), task="features") as progress:
        for first in range(0, count, ITEMS):
            indices = np.arange(first, min(first + ITEMS, count))
            chunk = np.zeros((len(indices), *grid.out_shape), np.float16) if rows is None else rows[first:][:ITEMS]
            missing = list(range(len(indices))) if file is None else file.read(indices.tolist(), list(chunk))
            try:
                images = data.floats(indices[missing])
            except CorruptFiles as error:
                corrupt |= {int(indices[missing[position]]) for position in error.reasons}
                missing = [position for position in missing if int(indices[position]) not in corrupt]
                images = data.floats(indices[missing])
            if missing:
                raw = grid.raw(images.to(model.device))
                chunk[missing] = raw.clamp(-LARGEST, LARGEST).half().cpu().numpy()
            for position in missing if file is not None else ():
                assert file is not None
                file.write(int(indices[position]), chunk[position])
            done = first + len(indices)
            progress.step(done, partial("features of image {}/{}".format, done, count))
    return corrupt


def key_of(grid: FeatureGrid, data: Data) -> str:
    """Of the file in the cache: of the images, their size and the network; empty for data that is no folder."""
    if "fingerprint" not in data.source or data.rows is not None:
        return ""
    facts = [data.source, list(data.shape), list(map(str, data.range)), list(grid.out_shape), list(grid.channels)]
    digest = hashlib.sha256(json.dumps(facts, default=str).encode())
    for name, tensor in sorted(grid.features.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return f"features-{digest.hexdigest()[:32]}"
