"""An array, as people have pictures in memory, as photos, and back to the same kind of array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.errors import BadInput
from isthmus.media.image_file import Photo


def photos_of(array: Any) -> tuple[list[Photo], Callable[[list[np.ndarray]], Any]]:
    """An array or tensor as photos, and the way back for what became of them.

    H×W, H×W×S, S×H×W or N×S×H×W, S of 1 (gray) or 3 (colour), or one more with alpha, of whole numbers or floats, which
    `own_range` scales. Raises BadInput.
    """
    tensor = isinstance(array, Tensor)
    values = array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)
    accepted = "H×W, H×W×C, C×H×W or N×C×H×W of whole numbers or floats is accepted"
    shape = "×".join(map(str, values.shape))
    if values.ndim not in (2, 3, 4) or 0 in values.shape:
        raise BadInput(f"an array of shape {shape} is no picture; {accepted}")
    stored = values.dtype
    values = values.astype(stored.newbyteorder("="), copy=False)  # >u2 holds the same numbers as <u2
    last, batch = values.ndim == 3 and values.shape[-1] <= 4, values.ndim == 4
    items = values if batch else values[None]
    items = items[..., None] if values.ndim == 2 else items if last else np.moveaxis(items, -3, -1)
    if items.shape[-1] > 4:
        raise BadInput(f"an array of shape {shape} is no picture; {accepted}")
    if values.dtype.kind not in "uif":
        raise BadInput(f"an array of {values.dtype}; {accepted}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadInput("the array holds NaN or infinite values; accepted are finite numbers")
    colours = 3 if items.shape[-1] > 2 else 1

    def back(results: list[np.ndarray]) -> Any:
        whole = np.stack(results)
        if whole.dtype == values.dtype:
            whole = whole.astype(stored, copy=False)
        whole = whole[..., 0] if values.ndim == 2 else whole if last else np.moveaxis(whole, -1, -3)
        whole = whole if batch else whole[0]
        return torch.from_numpy(np.ascontiguousarray(whole)) if tensor else whole

    alphas = [item[..., colours] if items.shape[-1] > colours else None for item in items]
    return [Photo(item[..., :colours], alpha) for item, alpha in zip(items, alphas, strict=True)], back
