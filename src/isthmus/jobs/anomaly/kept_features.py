"""Features of all items of a data set, computed once and kept in half precision, in memory or in the cache on disk."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data, base, cache
from isthmus.features.grid import FeatureGrid

ITEMS = 16  # images whose features are computed together
LARGEST = 65504.0  # number of half precision


@dataclass
class OnDisk:
    """N×K×h×w in the cache, read through a memory map."""

    values: np.ndarray
    dtype: torch.dtype = torch.float16

    def read(self, indices: np.ndarray) -> Tensor:
        return torch.from_numpy(self.values[indices])


@torch.no_grad()
def with_features(model: Autoencoder, data: Data) -> Data:
    """The data with the field "features": before standardization, as Expression.in_features takes them.

    Where neither memory nor the cache has room for them they are left out, and computed again in every step.
    """
    grid = model.features
    assert grid is not None
    count, shape, notes = len(data), grid.out_shape, list[str]()
    size = 2 * count * math.prod(shape)
    in_memory, key = size <= base.MEMORY_BUDGET, key_of(grid, data)
    file = cache.reserve(key, shape, np.dtype(np.float16), count, notes) if key and size >= cache.MIN_BYTES else None
    if file is None and not in_memory:
        return data
    rows = np.empty((count if in_memory else 0, *shape), np.float16)
    for first in range(0, count, ITEMS):
        indices = np.arange(first, min(first + ITEMS, count))
        chunk = rows[indices[0] : indices[-1] + 1] if in_memory else np.empty((len(indices), *shape), np.float16)
        missing = list(range(len(indices))) if file is None else file.read(indices.tolist(), list(chunk))
        if not missing:
            continue
        raw = grid.raw(data.floats(indices[missing]).to(model.device))
        chunk[missing] = raw.clamp(-LARGEST, LARGEST).half().cpu().numpy()
        for position in missing if file is not None else ():
            assert file is not None
            file.write(int(indices[position]), chunk[position])
    mapped = None if in_memory or file is None else file.mapped(())
    if not in_memory and mapped is None:
        return data
    items = torch.from_numpy(rows) if in_memory else OnDisk(mapped)  # type: ignore[arg-type]
    return data.with_field("features", Data(items, shape, (0.0, 1.0), data.names, kind="features"))


def key_of(grid: FeatureGrid, data: Data) -> str:
    """Of the file in the cache: of the images, their size and the network; empty for data that is no folder."""
    if "fingerprint" not in data.source or data.rows is not None:
        return ""
    facts = [data.source, list(data.shape), list(map(str, data.range)), list(grid.out_shape), list(grid.channels)]
    digest = hashlib.sha256(json.dumps(facts, default=str).encode())
    for name, tensor in sorted(grid.features.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return f"features-{digest.hexdigest()[:32]}"
