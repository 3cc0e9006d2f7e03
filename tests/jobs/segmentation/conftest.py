"""Pictures whose labels are read, and runs that have learned labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.discs import make_run, write_set
from helpers.labels import SIZE


@pytest.fixture
def pictures(save, rng) -> Path:
    """A folder of a.jpg, b.jpg and c.jpg."""
    for name in ("a", "b", "c"):
        path = save(rng.integers(0, 255, (*SIZE, 3), np.uint8), f"images/{name}.jpg")
    return path.parent


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with x, y and run, trained on masks of 0 and 255."""
    folder = write_set(tmp_path_factory.mktemp("binary"))
    make_run(folder, "binary")
    return folder


@pytest.fixture(scope="session")
def instances(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for masks with a number for each object."""
    folder = write_set(tmp_path_factory.mktemp("instances"), masks="objects")
    make_run(folder, "objects")
    return folder
