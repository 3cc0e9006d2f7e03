"""Overlays: sizes, colors and the meaning of the difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from isthmus.jobs.segmentation import overlays as module
from isthmus.jobs.segmentation.labels.open import LabelMap
from isthmus.jobs.segmentation.overlays import (
    CAPTION,
    CORRECT,
    FALSE,
    GAP,
    LEAST,
    MISSED,
    MOST,
    PALETTE,
    PANEL,
    as_color,
    compare,
    difference,
    overlay,
    panels,
)
from isthmus.media.photo import Photo
from isthmus.metrics.segmentation import IGNORE


@dataclass(frozen=True)
class Found:
    classes: np.ndarray
    objects: np.ndarray | None = None


def gray(height: int, width: int, value: int = 100) -> Photo:
    return Photo(np.full((height, width, 1), value, np.uint8))


def blocks(size: int = 300) -> np.ndarray:
    """Classes 1 and 2 in two blocks, an ignored corner."""
    classes = np.zeros((size, size), np.uint8)
    classes[50:100, 50:100], classes[50:100, 150:200], classes[-64:, -64:] = 1, 2, IGNORE
    return classes


def test_classes_are_filled_and_outlined_and_the_rest_stays() -> None:
    image = np.asarray(overlay(gray(300, 300), blocks()))
    assert image.shape == (300, 300, 3)
    assert image.dtype == np.uint8
    assert (image[10, 10] == 100).all()
    for column, color in ((50, PALETTE[0]), (150, PALETTE[1])):
        assert (image[50, column] == color).all()
        assert (image[99, column + 49] == color).all()
        assert (image[51, column + 1] == np.rint(0.65 * 100 + 0.35 * color)).all()
    assert (image[49, 50] == 100).all()  # the outline lies inside
    corner = image[-60:, -60:].reshape(-1, 3)
    assert (corner == corner[:, :1]).all()
    assert len(np.unique(corner)) == 2


def test_objects_of_one_class_have_colors_of_their_own_and_a_line_between_them() -> None:
    instances = np.zeros((300, 300), np.int32)
    instances[50:100, 50:100], instances[50:100, 100:150] = 1, 2
    image = np.asarray(overlay(gray(300, 300), (instances > 0).astype(np.uint8), instances))
    assert (image[75, 99] == PALETTE[0]).all()
    assert (image[75, 100] == PALETTE[1]).all()
    by_class = np.asarray(overlay(gray(300, 300), np.where(instances > 0, 3, 0).astype(np.uint8), instances))
    assert (by_class[75, 99] == PALETTE[2]).all()
    assert (by_class[75, 100] == PALETTE[2]).all()


def test_another_class_or_none_is_the_background() -> None:
    classes = blocks()
    every = np.asarray(overlay(gray(300, 300), classes, background=None))
    assert (every[0, 0] == np.rint(0.65 * 100 + 0.35 * PALETTE[-1])).all()
    second = np.asarray(overlay(gray(300, 300), classes, background=2))
    assert (second[75, 175] == 100).all()
    assert (second[51, 51] == every[51, 51]).all()
    true, found = LabelMap(np.array([[0, 0, 2, 2]], np.uint8)), Found(np.array([[0, 2, 0, 2]], np.uint8))
    assert [mask.tolist() for mask in compare(found, true, 2)] == [
        [[True, False, False, False]],
        [[False, False, True, False]],
        [[False, True, False, False]],
    ]
    correct, false, missed = compare(found, true, None)
    assert (correct | false).all()
    assert not missed.any()


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((300, 200), (300, 200)),
        ((64, 64), (LEAST, LEAST)),
        ((100, 50), (300, 150)),
        ((10, 600), (10, 600)),
        ((10, 100), (60, 600)),
        ((1, 1), (LEAST, LEAST)),
        ((3000, 1500), (MOST, MOST // 2)),
    ],
)
def test_tiny_images_are_enlarged_and_huge_ones_reduced(size: tuple[int, int], shown: tuple[int, int]) -> None:
    image = overlay(gray(*size), np.zeros(size, np.uint8))
    assert image.size == shown[::-1]
    assert (np.asarray(image) == 100).all()


def test_an_enlarged_image_has_sharp_pixels() -> None:
    classes = np.array([[0, 1], [0, 0]], np.uint8)
    image = np.asarray(overlay(gray(2, 2), classes))
    assert (image[:128, :128] == 100).all()
    assert (image[0, 128] == PALETTE[0]).all()
    assert (image[64, 192] == np.rint(0.65 * 100 + 0.35 * PALETTE[0])).all()


def test_an_outline_survives_the_reduction() -> None:
    classes = np.zeros((4100, 400), np.uint8)
    classes[1000:2000, 100:300] = 1
    image = np.asarray(overlay(gray(4100, 400), classes)).astype(int)
    strength = np.abs(image[700, :, 2] - 100)  # the palette has no blue there
    assert strength[60] < 0.5 * strength.max() < strength.max()
    assert strength.max() > 80


def test_the_difference_of_classes() -> None:
    true = LabelMap(np.array([[0, 1, 1, 2, 0, IGNORE, IGNORE]], np.uint8))
    found = Found(np.array([[0, 1, 0, 1, 2, 1, 0]], np.uint8))
    correct, false, missed = compare(found, true)
    assert correct.tolist() == [[False, True, False, False, False, False, False]]
    assert false.tolist() == [[False, False, False, True, True, False, False]]
    assert missed.tolist() == [[False, False, True, False, False, False, False]]


def test_the_difference_of_objects_needs_a_match() -> None:
    ones = np.ones((1, 8), np.uint8)
    true = LabelMap(ones, np.array([[1, 1, 1, 1, 2, 2, 3, 3]]))
    merged = compare(Found(ones, np.array([[1, 1, 1, 1, 1, 1, 2, 2]])), true)
    assert merged[0].tolist() == [[True] * 4 + [False] * 2 + [True] * 2]  # an IoU of 4 / 6, and of 1
    assert merged[1].tolist() == [[False] * 4 + [True] * 2 + [False] * 2]
    assert not merged[2].any()
    empty = compare(Found(np.zeros_like(ones), np.zeros((1, 8), int)), true)
    assert empty[2].all()


def test_colors_of_the_difference() -> None:
    true, own = np.zeros((2, 300, 300), np.uint8)
    true[:100], own[50:150] = 1, 1
    true[200:] = IGNORE
    image = np.asarray(difference(gray(300, 300, 0), Found(own), LabelMap(true))).astype(int)
    for row, color in ((10, MISSED), (60, CORRECT), (120, FALSE), (170, np.zeros(3))):
        assert np.abs(image[row, 10] - 0.6 * color).max() <= 0.5
    assert (image[250] == image[250][:, :1]).all()


@pytest.mark.parametrize("size", [(300, 200), (40, 60), (1000, 2000), (5, 900)])
def test_four_panels_stand_beside_each_other(size: tuple[int, int]) -> None:
    classes = np.zeros(size, np.uint8)
    classes[: size[0] // 2] = 1
    instances = classes.astype(np.int32)
    photo = gray(*size)
    sheet = panels(photo, Found(classes, instances), LabelMap(classes, instances))
    across, down = overlay(photo, np.zeros(size, np.uint8), most=PANEL).size
    assert sheet.size == (4 * across + 3 * GAP, down + CAPTION)
    assert max(across, down) <= PANEL
    pixels = np.asarray(sheet)
    assert (pixels[:CAPTION] < 128).any()  # text
    left = [k * (across + GAP) for k in range(4)]
    parts = [pixels[CAPTION:, start : start + across] for start in left]
    assert (parts[0] == 100).all()
    assert (parts[1] == parts[2]).all()
    assert not (parts[3] == parts[0]).all()


def test_deep_images_are_scaled_by_percentiles_or_their_range() -> None:
    values = np.linspace(1000, 3000, 90000).reshape(300, 300, 1).astype(np.uint16)
    color = as_color(Photo(values))
    assert color.shape == (300, 300, 3)
    assert color.min() == 0
    assert color.max() == 255
    assert abs(int(color[150, 0, 0]) - 128) < 3
    fixed = as_color(Photo(values.astype(np.float32), range=(0.0, 4000.0)))
    assert (fixed.min(), fixed.max()) == (64, 191)
    assert as_color(Photo(np.full((9, 9, 3), 7, np.uint16))).shape == (9, 9, 3)


def test_bands_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = Photo(np.random.default_rng(0).integers(0, 65536, (300, 300, 3)).astype(np.uint16))
    both = Found(blocks()), LabelMap(np.roll(blocks(), 20, 0))
    together = np.asarray(panels(photo, *both))
    monkeypatch.setattr(module, "SAMPLED", 2**20)
    monkeypatch.setattr(module, "_bands", lambda pixels: [slice(top, top + 8) for top in range(0, len(pixels), 8)])
    assert (np.asarray(panels(photo, *both)) == together).all()
