"""Conversion of arrays and tensors to photos, and back to the same kind of array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.errors import BadInput
from isthmus.media.image_file import Photo


def photos_from_array(array: Any) -> tuple[list[Photo], Callable[[list[np.ndarray]], Any]]:
    """Convert an array or tensor to photos; also return the function that converts results back.

    Accepted: H×W, H×W×S, S×H×W or N×S×H×W; S = 1 (gray) or 3 (color), plus one with alpha; integers or floats, scaled
    by `own_range`. Raises BadInput.
    """
    tensor = isinstance(array, Tensor)
    values = array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)
    accepted = "H×W, H×W×C, C×H×W or N×C×H×W of whole numbers or floats is accepted"
    shape = "×".join(map(str, values.shape))
    if values.ndim not in (2, 3, 4) or 0 in values.shape:
        raise BadInput(f"an array of shape {shape} is not an image; {accepted}")
    stored = values.dtype
    values = values.astype(stored.newbyteorder("="), copy=False)  # >u2 holds the same numbers as <u2
    channels_last, batch = values.ndim == 3 and values.shape[-1] <= 4, values.ndim == 4
    items = values if batch else values[None]
    items = items[..., None] if values.ndim == 2 else items if channels_last else np.moveaxis(items, -3, -1)
    if items.shape[-1] > 4:
        raise BadInput(f"an array of shape {shape} is not an image; {accepted}")
    if values.dtype.kind not in "uif":
        raise BadInput(f"an array of {values.dtype}; {accepted}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadInput("the array holds NaN or infinite values; accepted are finite numbers")
    color_channels = 3 if items.shape[-1] > 2 else 1

    def to_array(results: list[np.ndarray]) -> Any:
        stacked = np.stack(results)
        if stacked.dtype == values.dtype:
            stacked = stacked.astype(stored, copy=False)
        stacked = stacked[..., 0] if values.ndim == 2 else stacked if channels_last else np.moveaxis(stacked, -1, -3)
        stacked = stacked if batch else stacked[0]
        return torch.from_numpy(np.ascontiguousarray(stacked)) if tensor else stacked

    alphas = [item[..., color_channels] if items.shape[-1] > color_channels else None for item in items]
    return [Photo(item[..., :color_channels], alpha) for item, alpha in zip(items, alphas, strict=True)], to_array
