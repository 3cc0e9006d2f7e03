"""The choice of patches: all of each image, rare classes often enough, and few patches of background."""

from __future__ import annotations

import numpy as np
import pytest

from isthmus.jobs.segmentation.patch_choice import EMPTY, PatchChoice

SIZE = 32


def chosen(maps: list[np.ndarray], classes: int, most: int = 10_000, background: int | None = 0) -> np.ndarray:
    choice = PatchChoice(SIZE, classes, background)
    for labels in maps:
        choice.add(labels)
    return choice.positions(most)


def share_with(maps: list[np.ndarray], positions: np.ndarray, number: int) -> float:
    cut = [maps[image][top : top + SIZE, left : left + SIZE] for image, top, left in positions]
    return float(np.mean([(part == number).any() for part in cut]))


def test_the_patches_cover_every_pixel() -> None:
    labels = np.ones((70, 100), np.uint8)
    seen = np.zeros(labels.shape, bool)
    for _, top, left in chosen([labels], 2):
        seen[top : top + SIZE, left : left + SIZE] = True
    assert seen.all()


def test_a_class_of_one_pixel_in_a_hundred_is_in_a_third_of_the_patches() -> None:
    maps = []
    for number in range(6):
        labels = np.zeros((400, 400), np.uint8)
        labels[:200] = 1
        if number == 0:
            labels[300:332, 300:332] = 2  # a hundredth of the pixels of all images
        maps.append(labels)
    positions = chosen(maps, 3)
    assert share_with(maps, positions, 2) >= 1 / 3 - 0.01
    assert len(np.unique(positions, axis=0)) == len(positions)
    assert (np.diff(positions[:, 0]) >= 0).all()


def test_a_rare_class_keeps_its_share_if_memory_is_short() -> None:
    maps = [np.ones((400, 400), np.uint8) for _ in range(6)]
    maps[0][300:332, 300:332] = 2
    positions = chosen(maps, 3, most=200)
    assert 190 <= len(positions) <= 200
    assert share_with(maps, positions, 2) >= 1 / 3 - 0.02


def test_each_of_several_rare_classes_gets_its_share() -> None:
    maps = []
    for number in range(1, 6):
        labels = np.zeros((320, 320), np.uint8)
        labels[150:154, 100:140] = number  # a line four pixels wide
        maps.append(labels)
    positions = chosen(maps, 6)
    assert all(share_with(maps, positions, number) >= 0.15 for number in range(1, 6))


def test_patches_of_background_are_thinned_out_and_every_image_keeps_one() -> None:
    maps = [np.zeros((640, 640), np.uint8) for _ in range(4)]
    maps[0][:40, :40] = 1
    positions = chosen(maps, 2)
    empty = 1 - share_with(maps, positions, 1)
    assert empty <= EMPTY / (1 + EMPTY) + 0.1
    assert set(positions[:, 0]) == {0, 1, 2, 3}


def test_no_more_than_asked_for_but_one_of_each_image() -> None:
    maps = [np.ones((200, 200), np.uint8)] * 5
    assert len(chosen(maps, 2, most=12)) == 12
    assert set(chosen(maps, 2, most=1)[:, 0]) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("background", [1, None])
def test_any_class_or_none_is_the_background(background: int | None) -> None:
    labels = np.ones((640, 640), np.uint8)
    labels[300:330, 300:330] = 0
    positions = chosen([labels], 2, background=background)
    assert share_with([labels], positions, 0) >= 0.3
    empty = 1 - share_with([labels], positions, 0)
    assert empty > EMPTY / (1 + EMPTY) - 0.01 if background is None else empty <= EMPTY / (1 + EMPTY) + 0.05


def test_an_image_smaller_than_a_patch_is_one_patch() -> None:
    assert chosen([np.ones((10, 20), np.uint8)], 2).tolist() == [[0, 0, 0]]
