"""Metrics of instance maps: Rand error as scikit-image has it, average precision as pycocotools has it."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy.ndimage import find_objects
from skimage.metrics import adapted_rand_error

from isthmus.metrics.instances import average_precision_50, match, match_boxes, overlaps, rand_error

SMALL = arrays.arrays(np.int32, (5, 6), elements=st.integers(0, 4))


def discs(seed: int, count: int = 12, size: int = 64) -> np.ndarray:
    """Instance map of discs, the later ones over the earlier, with consecutive numbers."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    made = np.zeros((size, size), np.int32)
    for number in range(1, count + 1):
        down, right, radius = *random.uniform(0, size, 2), random.uniform(3, 10)
        made[(rows - down) ** 2 + (columns - right) ** 2 < radius**2] = number
    return np.unique(made, return_inverse=True)[1].reshape(made.shape).astype(np.int32)


def disturbed(truth: np.ndarray, seed: int) -> np.ndarray:
    """The objects moved a little, some lost, some joined, and some that are not there."""
    random = np.random.default_rng(seed)
    moved = np.roll(truth, random.integers(-1, 2, 2), (0, 1))
    moved[np.isin(moved, random.choice(truth.max(), 2) + 1)] = 0
    moved[moved == 3] = 4
    moved[2:6, 50:58] = truth.max() + 1
    return np.unique(moved, return_inverse=True)[1].reshape(moved.shape).astype(np.int32)


@given(SMALL, SMALL)
def test_overlaps_are_the_counts_of_pairs(truth: np.ndarray, predicted: np.ndarray) -> None:
    rows, columns, common = overlaps(truth, predicted)
    for row, column, count in zip(rows, columns, common, strict=True):
        assert count == ((truth == row) & (predicted == column)).sum()
    assert common.sum() == truth.size


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # scikit-image divides by zero without pairs
@given(SMALL, SMALL)
def test_rand_error_is_that_of_scikit_image(truth: np.ndarray, predicted: np.ndarray) -> None:
    theirs = adapted_rand_error(truth, predicted)[0] if (truth > 0).any() else np.nan
    assert rand_error(truth, predicted) == pytest.approx(theirs, nan_ok=True)


def test_rand_error_of_a_split_and_a_merged_object() -> None:
    truth = np.ones((1, 4), int)
    assert rand_error(truth, truth) == 0
    assert rand_error(truth, np.array([[1, 1, 2, 2]])) == pytest.approx(1 - 2 * 4 / (4 + 12))
    assert np.isnan(rand_error(np.zeros((3, 3), int), np.ones((3, 3), int)))


def coco_ap50(pairs: list[tuple[np.ndarray, np.ndarray, np.ndarray]], kind: str = "segm") -> float:
    def region(mask: np.ndarray, image: int) -> dict:
        runs = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
        shape = {"bbox": coco_masks.toBbox(runs).tolist()} if kind == "bbox" else {"segmentation": runs}
        return {"image_id": image, "category_id": 1, **shape}

    truths, found = [], []
    for image, (truth, predicted, scores) in enumerate(pairs, 1):
        for k in range(1, truth.max() + 1):
            truths.append(region(truth == k, image) | {"iscrowd": 0, "area": int((truth == k).sum())})
        found += [region(predicted == k, image) | {"score": scores[k - 1]} for k in range(1, predicted.max() + 1)]
    size = pairs[0][0].shape
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": k + 1, "height": size[0], "width": size[1]} for k in range(len(pairs))],
            "annotations": [{**one, "id": k} for k, one in enumerate(truths, 1)],
            "categories": [{"id": 1, "name": "object"}],
        }
        truth.createIndex()
        judged = COCOeval(truth, truth.loadRes(found), kind)
        judged.params.maxDets = [1, 10, 10_000]
        judged.evaluate()
        judged.accumulate()
    return float(judged.eval["precision"][0, :, 0, 0, 2].mean())  # IoU .5, all areas


@pytest.mark.parametrize("seed", range(6))
def test_average_precision_is_that_of_pycocotools(seed: int) -> None:
    pairs = []
    for k in range(4):
        truth = discs(10 * seed + k)
        predicted = disturbed(truth, seed + k)
        pairs.append((truth, predicted, np.random.default_rng(seed + k).random(predicted.max())))
    ours = average_precision_50([match(*each) for each in pairs])
    assert 0.2 < ours < 1
    assert ours == pytest.approx(coco_ap50(pairs), abs=1e-9)
    boxes = [match_boxes(boxes_of(truth), boxes_of(predicted), scores) for truth, predicted, scores in pairs]
    assert average_precision_50(boxes) == pytest.approx(coco_ap50(pairs, "bbox"), abs=1e-9)


def boxes_of(instances: np.ndarray) -> np.ndarray:
    found = [
        (right.start, down.start, right.stop - right.start, down.stop - down.start)
        for down, right in find_objects(instances)
    ]
    return np.array(found, float).reshape(-1, 4)


def test_boxes_without_a_partner() -> None:
    none, one = np.zeros((0, 4)), np.array([[0, 0, 2, 2]])
    assert match_boxes(none, none).jaccard == 1
    assert match_boxes(one, none).jaccard == match_boxes(none, one).jaccard == 0
    assert match_boxes(one, np.array([[1, 0, 2, 2]])).jaccard == 0  # an IoU of 1 / 3
    assert match_boxes(one, np.array([[0, 0, 4, 1], [0, 0, 2, 1]])).hits.tolist() == [False, True]


def test_more_than_a_hundred_objects_all_count() -> None:
    grid = np.arange(1, 401).reshape(20, 20).repeat(3, 0).repeat(3, 1)
    assert average_precision_50([match(grid, grid)]) == 1
    assert match(grid, grid).jaccard == 1


def test_matches_are_one_to_one() -> None:
    truth = np.array([[1, 1, 2, 2, 0, 3]])
    both = match(truth, np.array([[1, 1, 1, 1, 0, 2]]))  # one object over two: an IoU of .5 with either
    assert both.hits.tolist() == [True, True]
    assert both.truths == 3
    assert both.jaccard == pytest.approx(2 / 3)
    halves = match(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 2, 2]]), [0.2, 0.9])
    assert halves.scores.tolist() == [0.9, 0.2]
    assert halves.hits.tolist() == [True, False]


def test_a_false_object_of_high_score_costs_more_than_one_of_low_score() -> None:
    truth, predicted = np.array([[1, 0, 0]]), np.array([[1, 0, 2]])
    assert average_precision_50([match(truth, predicted, [0.9, 0.1])]) == 1
    assert average_precision_50([match(truth, predicted, [0.1, 0.9])]) == 0.5
    assert average_precision_50([match(truth, predicted)]) == 0.5  # equal scores enter together
    assert match(truth, predicted).jaccard == 0.5


def test_images_without_objects() -> None:
    empty, one = np.zeros((4, 4), int), np.ones((4, 4), int)
    assert match(empty, empty).jaccard == 1
    assert match(empty, one).jaccard == match(one, empty).jaccard == 0
    assert average_precision_50([match(one, empty)]) == 0
    assert np.isnan(average_precision_50([match(empty, one)]))


def test_bad_maps_are_refused() -> None:
    with pytest.raises(ValueError, match=r"instance maps of \(2, 2\) and \(2, 3\) pixels"):
        match(np.ones((2, 2), int), np.ones((2, 3), int))
    with pytest.raises(ValueError, match="1 scores for objects up to 2"):
        match(np.array([[1]]), np.array([[2]]), [0.5])


def test_a_false_object_that_is_mostly_ignored_does_not_count() -> None:
    """Object 1 is found; 2 lies in the ignored half, 3 and 4 across its edge: half, and less than half, of them."""
    truth, predicted = np.zeros((2, 20, 20), np.int32)
    ignored = np.zeros((20, 20), bool)
    ignored[:, 10:] = True
    truth[2:6, 2:6] = predicted[2:6, 2:6] = 1
    predicted[2:6, 14:18] = 2
    predicted[8:12, 8:12] = 3
    predicted[14:18, 7:12] = 4
    matches = match(truth, predicted, [0.5, 0.9, 0.8, 0.7], ignored)
    assert matches.scores.tolist() == [0.7, 0.5]
    assert matches.hits.tolist() == [False, True]
    assert matches.jaccard == 1 / 2
    truth[8:12, 8:12] = 2  # what is left of object 3 now has a match, which counts
    assert match(truth, predicted, [0.5, 0.9, 0.8, 0.7], ignored).hits.tolist() == [True, False, True]
