"""The basis of the harm figures of unwatermark: marks, decision, and definition of better."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path[:0] = [str(Path(__file__).parents[2] / "benchmarks")]

from restoring import harmless, marks  # noqa: E402

PICTURE = np.random.default_rng(0).integers(0, 256, (3, 120, 160), dtype=np.uint8)
LOGO = Image.new("RGBA", (32, 32), (250, 20, 30, 255))


@pytest.mark.parametrize(("kind", "least", "most"), [("text", 0.002, 0.1), ("logo", 0.01, 0.13), ("tiled", 0.03, 0.5)])
def test_marks_are_seeded_and_change_nothing_outside_of_their_mask(kind: str, least: float, most: float) -> None:
    for key in range(4):
        marked, mask = marks.marked(kind, PICTURE, [LOGO], key)
        again, _ = marks.marked(kind, PICTURE, [LOGO], key)
        assert np.array_equal(marked, again)
        assert np.array_equal(np.where(mask, 0, marked), np.where(mask, 0, PICTURE))
        assert least < mask.mean() < most


def test_identical_pictures_count_as_the_cap_and_gains_in_the_mask_alone() -> None:
    x = PICTURE / 255
    assert harmless.unmarked(x, x) == harmless.CAP
    assert harmless.unmarked(x + 0.1, x) == pytest.approx(20)
    mask = np.zeros((1, 120, 160), bool)
    mask[:, :60] = True
    assert harmless.gain(x + 0.01, x + 0.1, x, mask) == pytest.approx(20)
    assert harmless.gain(np.where(mask, x, x + 1) + 0.1, x + 0.1, x, mask) == pytest.approx(0)


def test_the_benchmark_decides_like_the_verb() -> None:
    x, odds = PICTURE / 255, np.zeros((120, 160))
    odds[10:20, 10:30] = 0.8
    assert np.array_equal(harmless.decided(x, 1 - x, odds, 0.9), x)
    assert np.array_equal(harmless.decided(x, 1 - x, odds, 0.7), np.where(odds > 0, 1 - x, x))
    odds[:] = 1
    assert np.array_equal(harmless.decided(x, 1 - x, odds, 0.7), x)


def test_the_samples_are_pictures_in_the_unit_range() -> None:
    for x in harmless.samples():
        assert x.shape[0] in (1, 3)
        assert x.min() >= 0
        assert x.max() <= 1
