"""The baseline of segmentation: Otsu's threshold and a watershed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from isthmus.metrics.instances import match

sys.path[:0] = [str(Path(__file__).parents[2] / "benchmarks")]

from segmentation_baselines import LEAST, nuclei_figures, otsu, otsu_watershed  # noqa: E402


def scene(*circles: tuple[int, int, int], size: int = 96) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    made = np.zeros((size, size), np.int32)
    for number, (down, right, radius) in enumerate(circles, 1):
        made[(rows - down) ** 2 + (columns - right) ** 2 <= radius**2] = number
    return made


TRUTH = scene((30, 25, 12), (30, 46, 12), (70, 70, 9))


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_touching_discs_are_separated_bright_or_dark(channels: int | None, inverted: bool) -> None:
    noise = np.random.default_rng(0).normal(0, 8, TRUTH.shape)
    image = (np.where((TRUTH > 0) != inverted, 180, 60) + noise).astype(np.uint8)
    image = image if channels is None else np.repeat(image[..., None], channels, 2)
    found = otsu_watershed(image)
    assert found.dtype == np.int32
    assert found.max() == 3
    assert match(TRUTH, found).jaccard == 1


def test_a_constant_image_has_no_foreground_and_specks_are_no_objects() -> None:
    flat = np.full((20, 20), 7, np.uint8)
    assert not otsu(flat).any()
    assert otsu_watershed(flat).max() == 0
    speck = np.zeros((40, 40), np.uint8)
    speck[10, 10] = 255
    assert 0 < otsu(speck).sum() < LEAST
    assert otsu_watershed(speck).max() == 0


def test_nuclei_have_a_dice_near_that_of_the_literature(real_data: Path) -> None:
    folder = real_data / "dsb2018_256"
    names = sorted(path.name for path in (folder / "images").glob("*.png"))[::10]
    if not names:
        pytest.skip("no dsb2018_256")
    figures = nuclei_figures(names, folder)
    assert figures["images"] == len(names)
    assert 0.8 < figures["dice"] < 0.93  # Otsu's threshold alone: .846 on 200 images of BBBC038
