"""The parts of benchmarks/segmentation.py that no training is needed for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path[:0] = [str(Path(__file__).parents[2] / "benchmarks")]

import common  # noqa: E402
import stored_rows as rows  # noqa: E402
from segmenting.membranes import best_threshold, grown, rand_of  # noqa: E402
from segmenting.outlines import same_objects  # noqa: E402
from segmenting.pretraining import gain  # noqa: E402
from segmenting.sets import divided, folds  # noqa: E402
from segmenting.training import UNet2015  # noqa: E402


def test_a_stopped_part_continues_with_the_next_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "RUNS", tmp_path)
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    rows.Part("segmentation", "part").row(lambda: {"dice": 0.5}, model="a")
    again = rows.Part("segmentation", "part")
    assert again.row(lambda: pytest.fail("made twice"), model="a")["dice"] == 0.5
    again.row(lambda: {"dice": 0.75}, model="b")
    again.end("protocol")
    record = json.loads((tmp_path / "segmentation-part.json").read_text())
    assert [(row["model"], row["dice"]) for row in record["rows"]] == [("a", 0.5), ("b", 0.75)]
    assert not (tmp_path / "segmentation" / "part.jsonl").exists()


def test_splits_are_fixed_and_parts_have_nothing_in_common() -> None:
    train, test = divided([str(k) for k in range(10)])
    assert (len(train), len(test)) == (8, 2)
    assert not set(train) & set(test)
    assert divided([str(k) for k in range(10)]) == (train, test)
    assert [test for _, test in folds(30)] == [list(range(k, k + 6)) for k in range(0, 30, 6)]
    assert all(not set(train) & set(test) for train, test in folds(30))


def test_the_threshold_is_the_one_that_separates_two_cells() -> None:
    truth = np.ones((20, 21), np.uint8)
    truth[:, 10] = 0
    probability = np.where(truth > 0, 0.9, 0.6).astype(np.float32)
    assert rand_of(probability, truth, 0.5) > 0.3
    threshold = best_threshold([probability], [truth])
    assert 0.6 < threshold < 0.9
    assert rand_of(probability, truth, threshold) == 0
    assert rand_of(probability, truth, 0.5, thinned=True) > 0.3
    assert rand_of(probability, truth, threshold, thinned=True) == 0


def test_regions_grow_until_they_meet_where_the_probability_is_lowest() -> None:
    regions = np.array([[1, 0, 0, 0, 2]], np.int32)
    assert grown(regions, np.array([[0.9, 0.5, 0.6, 0.2, 0.9]], np.float32))[0, :3].tolist() == [1, 1, 1]


def test_objects_are_the_same_whatever_their_numbers() -> None:
    one = np.array([[0, 1, 1, 2]])
    assert same_objects(one, np.array([[0, 7, 7, 3]]))
    assert not same_objects(one, np.array([[0, 7, 7, 7]]))
    assert not same_objects(one, np.array([[0, 7, 3, 3]]))


def test_the_gain_is_paired_by_fold_and_seed() -> None:
    errors = {"scratch": (0.4, 0.2), "denoise": (0.3, 0.15)}
    made = [
        {"start": start, "labeled": 2, "fold": fold, "seed": 0, "rand_error_thinned": error}
        for start, pair in errors.items()
        for fold, error in enumerate(pair)
    ]
    found = gain(made, "denoise", 2)
    assert found["gain"] == pytest.approx(0.075)
    assert found["standard_error"] == pytest.approx(0.025)
    assert found["relative_gain"] == pytest.approx(0.25)


def test_the_network_of_2015_keeps_the_size() -> None:
    assert UNet2015(3, 4)(torch.zeros(1, 3, 64, 32)).shape == (1, 4, 64, 32)
