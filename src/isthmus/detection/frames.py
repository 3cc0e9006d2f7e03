"""One frame as a camera or a file gives it, made into what a model has learned from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.contracts import Shape
from isthmus.data import fit, read_picture
from isthmus.data.deep import over_white
from isthmus.data.fitting import to_depth

CHANNELS = (1, 3, 4)


def frame_of(x: Any, shape: Shape, about: Mapping[str, Any]) -> Tensor | None:
    """1×C×H×W in [0, 1] of a picture file, or of one picture of another size: H×W, H×W×C or C×H×W of 8 or 16 bits.

    It is made to fit as the pictures of a folder are, so that both are scored alike. None for anything else, of which
    the model says itself what it is. about: what the model has learned from (`about["input"]`). Raises BadInput for a
    file that cannot be read.
    """
    if len(shape) != 3:
        return None
    if isinstance(x, (str, os.PathLike)):
        picture = read_picture(x)  # type: ignore[arg-type]
    else:
        picture = np.asarray(x)
        if picture.dtype not in (np.uint8, np.uint16) or 0 in picture.shape:
            return None
        if picture.ndim == 3 and picture.shape[-1] in CHANNELS and picture.shape[0] not in CHANNELS:
            picture = picture.transpose(2, 0, 1)
        picture = picture[None] if picture.ndim == 2 else picture
        if picture.ndim != 3 or picture.shape[0] not in CHANNELS or picture.shape[1:] == shape[1:]:
            return None
        if len(picture) == 4:  # as those of a folder are
            samples = to_depth(np.moveaxis(picture, 0, -1), np.dtype(np.uint16))
            flat = to_depth(over_white(samples[..., :3], samples[..., 3:]), picture.dtype)
            picture = np.moveaxis(flat, -1, 0)
    deep = about.get("range", (0, 255))[1] > 255
    dtype = np.dtype(np.uint16 if deep else np.uint8)
    fitted = fit(np.ascontiguousarray(picture), shape, dtype, whole=bool(about.get("whole")))  # type: ignore[arg-type]
    return torch.from_numpy(fitted.astype(np.float32))[None] / (65535.0 if deep else 255.0)
