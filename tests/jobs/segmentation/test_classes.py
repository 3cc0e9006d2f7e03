"""Values of label files as class numbers, and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from isthmus.errors import BadInput
from isthmus.jobs.segmentation.classes import Classes, check_values
from isthmus.metrics.segmentation import IGNORE


@given(
    st.lists(st.integers(-(2**31), 2**32), min_size=3, max_size=255, unique=True),
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20)),
)
def test_any_values_return_as_they_were(values: list[int], numbers: np.ndarray) -> None:
    classes = Classes(values)
    numbers = numbers % len(values)
    raw = np.array(values, np.int64)[numbers]
    assert np.array_equal(classes.encode(raw, "a.png"), numbers)
    assert np.array_equal(classes.decode(numbers).astype(np.int64), raw)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0, 7], "uint8"),
        ([0, 128, 255], "uint8"),
        ([205, 420, 500], "uint16"),
        ([-1, 3], "int8"),
        ([0, 70000], "uint32"),
    ],
)
def test_values_are_written_in_the_smallest_type(values: list[int], dtype: str) -> None:
    assert Classes(values).decode(np.zeros((2, 2), np.uint8)).dtype == dtype


def test_two_classes_are_read_from_0_1_and_0_255_alike_and_written_as_0_255() -> None:
    for values in ([0, 1], [0, 255]):
        classes = Classes(values)
        for high in (1, 255):
            assert classes.encode(np.array([[0, high]], np.uint8), "a.png").tolist() == [[0, 1]]
        assert classes.decode(np.array([[0, 1]], np.uint8)).tolist() == [[0, 255]]
    assert "results are written with the values 0 and 255" in Classes([0, 1]).describe()
    assert Classes([0, 1], ignore=255).decode(np.array([[0, 1, IGNORE]], np.uint8)).tolist() == [[0, 1, 255]]
    palette = Classes([0, 1], palette=[0, 0, 0, 128, 0, 0])
    assert palette.decode(np.array([[0, 1]], np.uint8)).tolist() == [[0, 1]]


def test_an_unknown_value_is_named_with_its_file_and_count() -> None:
    classes, raw = Classes([0, 5], ignore=9), np.array([[0, 5, 7], [7, 9, 8]], np.uint16)
    with pytest.raises(BadInput, match=r"masks/a.png: value 7 in 2 pixels is no class \(and 1 more values\).* 0, 5$"):
        classes.encode(raw, "masks/a.png")
    expected = [[0, 1, IGNORE], [IGNORE, IGNORE, IGNORE]]
    assert classes.encode(raw, "a.png", unknown="ignore").tolist() == expected


def test_colors_return_as_they_were() -> None:
    classes = Classes([(0, 0, 0), (128, 64, 128)], ["void", "road"], ignore=(255, 255, 255), kind="colors")
    raw = np.array([[(0, 0, 0), (128, 64, 128), (255, 255, 255)]], np.uint8)
    numbers = classes.encode(raw, "a.png")
    assert numbers.tolist() == [[0, 1, IGNORE]]
    assert np.array_equal(classes.decode(numbers), raw)
    with pytest.raises(BadInput, match="color 1,2,3 in 1 pixels"):
        classes.encode(np.array([[(1, 2, 3)]], np.uint8), "a.png")
    assert classes.encode(np.array([[0, 255]], np.uint8), "gray.png").tolist() == [[0, IGNORE]]


def test_the_state_is_json_and_complete() -> None:
    for classes in (
        Classes([0, 300], ["ground", "crack"], 65535, pixels=[5, 2, 1], files=[1, 1, 1]),
        Classes([(0, 0, 0), (9, 9, 9)], ignore=(1, 2, 3), kind="colors"),
    ):
        assert Classes.of(json.loads(json.dumps(classes.state()))) == classes


def test_the_table_lists_value_class_name_pixels_and_files() -> None:
    classes = Classes([0, 7], ["ground", "crack"], 255, pixels=[90, 8, 2], files=[3, 2, 1])
    assert classes.table == [
        {"value": 0, "class": 0, "name": "ground", "pixels": 90, "files": 3},
        {"value": 7, "class": 1, "name": "crack", "pixels": 8, "files": 2},
        {"value": 255, "class": None, "name": "ignored", "pixels": 2, "files": 1},
    ]
    lines = classes.describe()
    assert lines[0].split() == ["value", "class", "name", "pixels", "share", "files"]
    assert lines[2].split() == ["7", "1", "crack", "8", "8.00%", "2"]


def test_numbers_of_objects_are_one_class() -> None:
    classes = Classes([0, 1], kind="instances", ignore=65535)
    assert classes.encode(np.array([[0, 1, 900, 65535]], np.uint16), "a.png").tolist() == [[0, 1, 1, IGNORE]]


def test_pixels_without_a_class_get_a_value_that_is_no_class() -> None:
    written = Classes([0, 1, 255]).decode(np.array([[2, IGNORE]], np.uint8))
    assert written.tolist() == [[255, 256]]
    assert written.dtype == np.uint16


def test_unusable_sets_of_values_are_refused() -> None:
    with pytest.raises(BadInput, match="all pixels have the value 0"):
        check_values({0: 100}, "masks/")
    with pytest.raises(BadInput, match=r"artifacts of JPEG or soft edges.*value > 127"):
        check_values({0: 5000, 255: 5000} | dict.fromkeys(range(1, 255), 1), "masks/")
    with pytest.raises(BadInput, match="up to 255 classes"):
        check_values(dict.fromkeys(range(300), 10), "masks/")
    with pytest.raises(BadInput, match="holds float32 numbers"):
        Classes([0, 1]).encode(np.zeros((2, 2), np.float32), "a.tif")
    check_values({value: 10000 >> value // 3 for value in range(21)} | {255: 900}, "voc/")
    check_values(dict.fromkeys(range(151), 100), "ade20k/")
