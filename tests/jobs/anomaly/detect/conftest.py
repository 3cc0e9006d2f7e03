"""A folder of good and bad images, and a detector trained on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import isthmus
from isthmus.data import open_data


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Zeros that are good, 24×24, some with a bright scratch, whose place is known, and ones that are no zeros."""
    top = tmp_path_factory.mktemp("parts")
    data = open_data("digits")
    labels, pixels = data.labels, data.batch(np.arange(len(data))).numpy()[:, 0] * 15
    assert labels is not None
    large = [np.kron(one, np.ones((3, 3))).astype(np.uint8) for one in pixels]

    def save(name: str, pixels: np.ndarray) -> None:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(top / name)

    zeros = [large[i] for i in np.flatnonzero(labels == 0)]
    for i, one in enumerate(zeros):
        save(f"{'train' if i < 130 else 'test'}/good/{i}.png", one)
    for i, one in enumerate(zeros[:20]):
        mask = np.zeros_like(one)
        mask[2:22, 3 + i % 3 : 6 + i % 3] = 255
        save(f"test/scratch/{i}.png", np.maximum(one, mask))
        save(f"ground_truth/scratch/{i}_mask.png", mask)
    for i in np.flatnonzero(labels == 1)[:30]:
        save(f"test/one/{i}.png", large[i])
    (top / "test/one/text.png").write_text("no picture")
    return top


@pytest.fixture(scope="session")
def run(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    isthmus.train("detect", parts, out=out, epochs=60, code=8, quiet=True, smooth=1.0)
    return out
