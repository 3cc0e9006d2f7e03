"""A folder of images, packed, and behind an address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.shards import Server

from isthmus.data import write_shards


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(save, rng) -> Path:
    """23 color and gray pictures 9×11, some in a folder below."""
    for i in range(23):
        shape = (9, 11) if i % 5 == 0 else (9, 11, 3)
        save(rng.integers(0, 256, shape, np.uint8), f"photos/{'more/' if i % 3 else ''}{i:02d}.png")
    return save(rng.integers(0, 256, (9, 11, 3), np.uint8), "photos/last.bmp").parent


@pytest.fixture
def packed(folder: Path, tmp_path: Path) -> Path:
    return write_shards(folder, tmp_path / "packed", per_shard=5)


@pytest.fixture
def server(packed: Path) -> Iterator[Server]:
    own = Server(packed)
    yield own
    own.stop()
