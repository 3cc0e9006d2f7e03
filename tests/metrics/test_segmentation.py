"""Metrics of class maps against scikit-learn, and the conventions for empty classes, ignored pixels and intervals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score

from isthmus.metrics.segmentation import (
    IGNORE,
    SegmentationScores,
    bootstrap_interval,
    components,
    confusion,
    dice,
    iou,
    mean_over_classes,
    pixel_accuracy,
)


def maps(seed: int, classes: int = 4, size: tuple[int, int] = (30, 40)) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.integers(classes, size=size).astype(np.uint8)
    predicted = np.where(random.random(size) < 0.6, truth, random.integers(classes, size=size)).astype(np.uint8)
    truth[random.random(size) < 0.1] = IGNORE
    return truth, predicted


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_scikit_learn(seed: int) -> None:
    truth, predicted = maps(seed)
    counts, counted = confusion(truth, predicted, 4), truth != IGNORE
    flat = truth[counted], predicted[counted]
    assert (counts == confusion_matrix(*flat)).all()
    assert pixel_accuracy(counts) == pytest.approx(accuracy_score(*flat))
    assert iou(counts) == pytest.approx(jaccard_score(*flat, average=None))
    assert dice(counts) == pytest.approx(f1_score(*flat, average=None))


def test_a_class_in_neither_map_is_left_out() -> None:
    truth = np.array([[0, 1, 1, 2]], np.uint8)
    counts = confusion(truth, np.array([[0, 1, 2, 2]], np.uint8), 5)
    assert np.isnan(iou(counts)[3:]).all()
    assert mean_over_classes(iou(counts)) == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert mean_over_classes(dice(counts)) == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_an_image_of_background_is_one_if_nothing_is_predicted_and_else_zero() -> None:
    empty, full = np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8)
    assert mean_over_classes(dice(confusion(empty, empty, 2))) == 1
    assert mean_over_classes(dice(confusion(empty, full, 2))) == 0
    assert mean_over_classes(dice(confusion(full, empty, 2))) == 0


def test_unknown_classes_and_shapes_are_refused() -> None:
    one = np.zeros((2, 2), np.uint8)
    with pytest.raises(ValueError, match="class 3: 0 to 1 are accepted"):
        confusion(one, one + np.uint8(3), 2)
    with pytest.raises(ValueError, match=r"class maps of \(2, 2\) and \(1, 2\) pixels"):
        confusion(one, one[:1], 2)


def test_an_interval_is_seeded_and_that_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.1, 100)
    low, high = bootstrap_interval(values)
    assert (low, high) == bootstrap_interval(values) != bootstrap_interval(values, seed=1)
    error = values.std() / 10  # of the mean of 100
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)
    assert bootstrap_interval([0.5, 0.5, 0.5]) == (0.5, 0.5)
    with pytest.raises(ValueError, match="an interval takes two images or more, not 1"):
        bootstrap_interval([0.5])


def test_results_are_means_over_images() -> None:
    scores = SegmentationScores(["background", "cell", "edge"])
    single = [scores.add(*maps(seed, 3)) for seed in range(5)]
    result = scores.result()
    assert result["images"] == 5
    for key in ("dice", "iou", "pixel_accuracy"):
        assert result[key] == pytest.approx(np.mean([one[key] for one in single]))
    for key in ("dice", "iou"):
        low, high = result[f"{key}_interval"]
        assert low < result[key] < high
    counts = np.stack([confusion(*maps(seed, 3), 3) for seed in range(5)])
    cell = result["per_class"]["cell"]
    assert cell["dice"] == pytest.approx(dice(counts)[:, 1].mean())
    assert cell["dice_of_all_pixels"] == pytest.approx(dice(counts.sum(0))[1])
    assert cell["pixels"] == counts[:, 1].sum()
    assert cell["images"] == 5
    assert "instance_ap50" not in result
    assert "connected regions" in result["protocol"]


def test_a_class_counts_in_the_images_that_have_it() -> None:
    scores = SegmentationScores(["background", "cell"])
    cell, empty = np.ones((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    scores.add(cell, cell)
    scores.add(empty, empty)
    result = scores.result()
    assert result["per_class"]["cell"]["images"] == 1
    assert result["per_class"]["cell"]["dice"] == result["dice"] == 1
    assert result["rand_error"] == 0  # of the image that has an object


def test_objects_add_their_figures_and_ignored_pixels_hide_objects() -> None:
    truth = np.array([[1, 1, 0, 1, 1, 0, IGNORE, IGNORE]], np.uint8)
    own = np.array([[1, 1, 0, 1, 1, 0, 1, 1]], np.uint8)
    objects = np.array([[1, 1, 0, 2, 2, 0, 0, 0]])
    scores = SegmentationScores(["background", "cell"])
    scores.add(truth, own, (objects, np.array([[1, 1, 0, 2, 2, 0, 3, 3]])), [0.9, 0.8, 0.95])
    result = scores.result()
    assert result["instance_ap50"] == result["instance_jaccard50"] == 1
    assert result["rand_error"] == 0
    assert "dice_interval" not in result  # one image has none
    assert "instance_ap50: COCO" in result["protocol"]
    joined = SegmentationScores(["background", "cell"])
    joined.add(truth, own, (objects, np.array([[1, 1, 1, 1, 1, 0, 0, 0]])))
    assert joined.result()["instance_ap50"] == 0
    assert joined.result()["rand_error"] > 0.3


def test_without_an_image_there_is_no_result() -> None:
    with pytest.raises(ValueError, match="no image has been added"):
        SegmentationScores(["background", "cell"]).result()


def test_components_are_regions_of_one_class() -> None:
    classes = np.array([[1, 1, 2, 0], [0, 2, 2, 1], [1, 0, 0, 1], [IGNORE, 1, 0, 0]], np.uint8)
    parts = components(classes)
    assert parts.dtype == np.int32
    assert parts.max() == 5
    assert ((parts == 0) == ((classes == 0) | (classes == IGNORE))).all()
    assert parts[0, 2] == parts[1, 1] != parts[0, 0]
    corners = components(classes, diagonal=True)
    assert corners.max() == 4
    assert corners[2, 0] == corners[3, 1]
    assert components(classes, background=None)[0, 3] > 0
    assert components(classes, background=2)[0, 2] == 0


def test_another_class_or_none_is_the_background() -> None:
    truth, predicted = maps(0, 3)
    counts = confusion(truth, predicted, 3)
    for background, kept in ((None, [0, 1, 2]), (2, [0, 1]), (0, [1, 2])):
        scores = SegmentationScores(["road", "tree", "void"], background)
        assert scores.add(truth, predicted)["dice"] == pytest.approx(dice(counts)[kept].mean())
        assert ("all classes" in scores.result()["protocol"]) == (background is None)
