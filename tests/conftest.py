"""What all tests share: real data where it lies, and small pictures where it does not matter which."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; the test is skipped where there is none."""
    folder = os.environ.get("ISTHMUS_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("ISTHMUS_DATA does not name a folder of real data")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or fills the cache of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISTHMUS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("ISTHMUS_CACHE_GB", raising=False)
        yield


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder as people have them: colour and gray, mixed sizes, a subfolder, a broken file."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    random = np.random.default_rng(0)
    for i in range(14):
        pixels = random.integers(0, 255, (12 + i % 3, 14, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02d}.png")
    Image.fromarray(random.integers(0, 255, (9, 11), dtype=np.uint8)).save(folder / "more" / "gray.png")
    (folder / "more" / "text.png").write_text("not a picture")
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For tests that train tiny nets: on several threads, with others at work, they are many times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
