"""Shared fixtures: real data if present, and small images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from isthmus import create, fit

KINDS: dict[str, dict[str, Any]] = {
    "undercomplete": {"code": 5},
    "linear": {"code": 5},
    "conv": {"code": "2x2x2", "channels": (4, 8)},
    "denoising": {"code": 6, "widths": (20,)},
    "sparse": {"code": 12},
    "contractive": {"code": 6, "widths": (10,)},
    "variational": {"code": 4, "widths": (20,)},
    "binary": {"name": "variational", "code": 4, "widths": (20,), "loss": "bce"},
    "quantized": {"codes": 16, "dim": 3, "channels": (4, 8)},
}
TRAINING = {"epochs": 3, "batch_size": 16, "device": "cpu", "quiet": True, "validation": 0.1, "test": 0.2}


# The lane of a test, a marker by which `make quick` leaves the slow ones out: the first that its path contains.
LANES = {
    "/processes/": "distributed",
    "test_kill": "distributed",
    "test_distributed": "distributed",
    "/shard_order/": "distributed",
    "test_contract": "contract",
    "test_extending": "contract",
    "test_plugins": "contract",
    "test_idle_options": "contract",
    "test_pairs_of_recipes": "contract",
    "/export/": "contract",
    "test_resume": "contract",
    "/videos/": "formats",
    "test_videos": "formats",
    "/hub/": "formats",
    "test_readme": "docs",
    "test_demo": "docs",
    "/benchmarks/": "docs",
    "/jobs/": "jobs",
    "/cli/": "jobs",
    "/verbs/": "jobs",
    "/training/": "training",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        lane = next((lane for part, lane in LANES.items() if part in item.path.as_posix()), "unit")
        item.add_marker(getattr(pytest.mark, lane))


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


Save = Callable[..., Path]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder as people have them: color and gray, mixed sizes, a subfolder, a broken file."""
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


@pytest.fixture(autouse=True)
def _quick(one_thread: None) -> None:
    """Every test runs something tiny."""


@pytest.fixture(scope="session")
def digits() -> np.ndarray:
    """60 digits 1×8×8 of whole numbers from 0 to 255."""
    pixels = load_digits(return_X_y=True)[0][:60]
    return (pixels.reshape(-1, 1, 8, 8) * 255 / 16).round().astype(np.uint8)


@pytest.fixture(scope="session")
def run_of(digits: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """run_of(kind) -> a run folder, trained once; tests read it only."""

    @cache
    def run(kind: str) -> Path:
        out = tmp_path_factory.mktemp("runs") / kind
        model = create(**{"name": kind, "shape": (1, 8, 8), **KINDS[kind]})
        fit(model, digits, out=out, **TRAINING)
        return out

    return run


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """save(array or image, name, **options) -> the path of a picture file."""

    def to_file(picture: np.ndarray | Image.Image, name: str, **options: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        image.save(path, **options)  # type: ignore[arg-type]
        return path

    return to_file
