"""Pictures whose labels are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.labels import SIZE


@pytest.fixture
def pictures(save, rng) -> Path:
    """A folder of a.jpg, b.jpg and c.jpg."""
    for name in ("a", "b", "c"):
        path = save(rng.integers(0, 255, (*SIZE, 3), np.uint8), f"images/{name}.jpg")
    return path.parent
