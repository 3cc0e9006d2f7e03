"""One item that a user names, and the names of items that have none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.errors import BadInput
from isthmus.inference.inputs import open_for


def one_item(model: Autoencoder, source: Any) -> Tensor:
    """Open a file, an array, or NAME:INDEX as 1×shape in [0, 1]."""
    index = None
    if isinstance(source, str) and (match := re.fullmatch(r"(.+):(\d+)", source)) and not Path(source).exists():
        source, index = match[1], int(match[2])
    data = open_for(model, source)
    if index is None and len(data) != 1:
        raise BadInput(f"{source}: holds {len(data)} items; choose one, as in {source}:0")
    if index is not None and index >= len(data):
        raise BadInput(f"{source}:{index}: there are {len(data)} items, from 0 to {len(data) - 1}")
    return data.floats(np.array([index or 0]))


def numbered(count: int) -> list[str]:
    return [f"{index:05d}" for index in range(count)]
