"""A frame that a detector is handed: the same numbers from an array as from its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from isthmus.detection.frames import frame_of
from PIL import Image


@pytest.mark.parametrize("hidden", [0, 255])
def test_what_alpha_hides_is_not_scored(tmp_path: Path, hidden: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    pixels[:10, :, 3] = 0
    pixels[:10, :, :3] = hidden
    Image.fromarray(pixels).save(tmp_path / "a.png")
    file, array, planes = (frame_of(x, (3, 8, 8), {}) for x in (tmp_path / "a.png", pixels, pixels.transpose(2, 0, 1)))
    assert file is not None
    assert array is not None
    assert torch.equal(array, planes)  # type: ignore[arg-type]
    assert (file - array).abs().max() <= 1.01 / 255  # Pillow rounds otherwise
    assert (array[..., :1, :] > 0.99).all()
