"""Tables of objects, compared with scikit-image's regionprops."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from skimage.measure import regionprops

from isthmus.jobs.segmentation import objects as module
from isthmus.jobs.segmentation.objects import COLUMNS, means_of, measure, regions_of_classes
from isthmus.metrics.segmentation import IGNORE


def instance_map(seed: int = 0, size: tuple[int, int] = (90, 70)) -> np.ndarray:
    """Rectangles, the later over the earlier; some numbers are missing."""
    random = np.random.default_rng(seed)
    made = np.zeros(size, np.int32)
    for number in range(1, 40, 2):
        down, right = random.integers(0, size[0]), random.integers(0, size[1])
        made[down : down + random.integers(1, 25), right : right + random.integers(1, 25)] = number
    return made


@pytest.mark.parametrize("band", [2**20, 70, 1])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_measures_are_those_of_regionprops(
    channels: tuple[int, ...], band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BAND", band)
    instances = instance_map()
    pixels = np.random.default_rng(1).integers(0, 65536, (*instances.shape, *channels)).astype(np.uint16)
    found = measure(instances, pixels=pixels)
    theirs = regionprops(instances, intensity_image=pixels)
    assert len(found) == len(theirs) > 10
    for k, one in enumerate(theirs):
        assert found.number[k] == one.label
        assert found.area[k] == one.area
        assert (found.y[k], found.x[k]) == pytest.approx(one.centroid)
        top, left, bottom, right = one.bbox
        assert (found.top[k], found.left[k]) == (top, left)
        assert (found.height[k], found.width[k]) == (bottom - top, right - left)
        assert found.intensity is not None
        assert found.intensity[k] == pytest.approx(np.mean(one.intensity_mean))


def test_the_class_of_an_object_is_the_most_frequent_one() -> None:
    instances = np.array([[1, 1, 1, 1, 0, 2, 2, 3]])
    classes = np.array([[0, 0, 3, IGNORE, 0, 4, 4, IGNORE]], np.uint8)
    assert measure(instances, classes).classes.tolist() == [3, 4, 1]
    assert measure(instances).classes.tolist() == [1, 1, 1]
    assert measure(instances, classes, background=None).classes.tolist() == [0, 4, 0]
    assert measure(instances, classes, background=4).classes.tolist() == [0, 0, 0]
    binary = np.array([[1, 0, 1, 1, 0, 1, 1, IGNORE]], np.uint8)
    assert measure(instances, binary).classes.tolist() == [1, 1, 1]


def test_rows_hold_the_values_and_names_of_the_label_files() -> None:
    instances = np.zeros((4, 6), np.int32)
    instances[1:3, 2:5] = 7
    pixels = np.full((4, 6), 0.123456789, np.float32)
    classes = np.where(instances > 0, 2, 0).astype(np.uint8)
    rows = measure(instances, classes, pixels).rows("a/b.png", [0, 128, 255], ["ground", "crack", "hole, deep"])
    assert rows == [
        dict(zip(COLUMNS, ["a/b.png", 7, 255, "hole, deep", 6, 3.0, 1.5, 2, 1, 3, 2, 0.123457], strict=True))
    ]
    colors = measure(instances, classes).rows("a.png", [(0, 0, 0), (1, 2, 3), (9, 8, 7)], ["a", "b", "c"])
    assert colors[0]["class"] == "9,8,7"
    assert colors[0]["mean_intensity"] == ""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    text.seek(0)
    assert next(csv.DictReader(text)) == {key: str(value) for key, value in rows[0].items()}


def test_an_image_without_objects_has_no_rows() -> None:
    empty = np.zeros((5, 6), np.int32)
    found = measure(empty, empty.astype(np.uint8), empty)
    assert len(found) == 0
    assert found.rows("a.png", [0, 1], ["a", "b"]) == []


def test_arrays_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"classes of \(2, 3\) for instances of \(3, 2\)"):
        measure(np.zeros((3, 2), int), np.zeros((2, 3), np.uint8))


def test_means_of_probabilities() -> None:
    instances = np.array([[1, 1, 0, 3]])
    values = np.array([[0.5, 1.0, 0.2, 0.25]], np.float16)
    assert means_of(instances, values).tolist() == pytest.approx([0.75, float("nan"), 0.25], nan_ok=True)
    assert len(means_of(np.zeros((2, 2), int), np.zeros((2, 2)))) == 0


def test_regions_of_classes_are_connected_parts_of_one_class() -> None:
    classes = np.array([[1, 2, 0, IGNORE], [0, 1, 2, 0], [0, 0, 0, 2], [1, 0, 0, 0]], np.uint8)
    parts = regions_of_classes(classes)
    assert parts.dtype == np.int32
    assert parts.max() == 3
    assert parts[0, 0] == parts[1, 1] != parts[3, 0]
    assert parts[0, 1] == parts[1, 2] == parts[2, 3]
    assert parts[0, 3] == 0
