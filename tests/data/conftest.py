"""Small files to read, made fresh for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Save = Callable[..., Path]


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
