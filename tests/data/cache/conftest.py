"""A folder of images, its cache, and a count of decodings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.cache import COUNT

from isthmus.data import base, cache, decoding

Decodings = Callable[[], int]


@pytest.fixture
def folder(save, rng) -> Path:
    for i in range(COUNT):
        path = save(rng.integers(0, 256, (10, 12, 3), np.uint8), f"photos/{i:02d}.png")
    return path.parent


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch) -> Path:
    """Where the decoded pictures of a test lie; sets of any size are kept."""
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "MIN_BYTES", 0)
    return tmp_path / "cache" / "decoded"


@pytest.fixture(params=["whole", "in batches"])
def held(request, monkeypatch) -> str:
    """A set that is held whole, and one that is read a batch at a time."""
    if request.param == "in batches":
        monkeypatch.setattr(base, "MEMORY_BUDGET", 100)
    return request.param


@pytest.fixture
def decodings(monkeypatch) -> Decodings:
    """How many pictures were decoded since it was asked last."""
    count, read = [0], decoding.read_picture

    def counted(*args, **kwargs):
        count[0] += 1
        return read(*args, **kwargs)

    def since() -> int:
        count[0], before = 0, count[0]
        return before

    monkeypatch.setattr(decoding, "read_picture", counted)
    return since
