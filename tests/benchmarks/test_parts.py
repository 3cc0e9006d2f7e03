"""The pictures of parts at any angle: the same for the same seed, and a mask where a fault shows."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

sys.path[:0] = [str(Path(__file__).parents[2] / "benchmarks")]

from detecting import parts  # noqa: E402


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = Image.new("RGBA", (64, 64))
    draw = ImageDraw.Draw(image)
    draw.ellipse([2, 2, 61, 61], fill=(40, 60, 200, 255))
    draw.rectangle([24, 16, 38, 48], fill=(255, 255, 255, 255))
    path = tmp_path_factory.mktemp("logo") / "logo.png"
    image.save(path)
    return path


@pytest.mark.parametrize("kind", parts.FAULTS)
def test_a_fault_shows_where_its_mask_is_and_nowhere_else(logo: Path, kind: str) -> None:
    for seed in range(4):
        clean, nothing = parts.taken(logo, np.random.default_rng(seed), None)
        found, mask = parts.taken(logo, np.random.default_rng(seed), parts.FAULTS[kind])
        again, _ = parts.taken(logo, np.random.default_rng(seed), parts.FAULTS[kind])
        assert found.shape == clean.shape == (parts.SIDE, parts.SIDE)
        assert found.dtype == clean.dtype == np.uint8
        assert not nothing.any()
        np.testing.assert_array_equal(found, again)
        assert 25 <= (mask > 0).sum() < 0.05 * mask.size
        assert np.abs(found.astype(int) - clean)[mask == 0].max() <= parts.SEEN


def test_no_two_pictures_show_a_part_at_the_same_angle_and_place(logo: Path) -> None:
    one, other = (parts.placed(logo, np.random.default_rng(seed)) for seed in (0, 1))
    assert np.abs(one[1] - other[1]).max() > 0.5
    assert np.abs(one[0] - other[0]).max() > 0.5
