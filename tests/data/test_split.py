"""Splits are disjoint, complete, equal for one seed, and never include official test items."""

from __future__ import annotations

import numpy as np
import pytest

from isthmus.data import choose_parts, open_data
from isthmus.errors import BadInput


def rows(count: int):
    return open_data(np.zeros((count, 2), np.uint8))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 100])
@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.1), (0, 0), (0, 0.3), (0.49, 0.5), (0.01, 0.98)])
def test_every_item_once_and_something_to_train_on(count: int, validation: float, test: float) -> None:
    parts = choose_parts(rows(count), validation=validation, test=test)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(count))
    assert all((np.diff(part) > 0).all() for part in parts.values())
    assert len(parts["train"]) >= 1
    if count >= 3:
        assert (len(parts["validation"]) > 0) == (validation > 0)
        assert (len(parts["test"]) > 0) == (test > 0)
    if count == 1:
        assert len(parts["train"]) == 1
    if validation == 0:
        assert len(parts["validation"]) == 0


def test_the_seed_decides() -> None:
    one, same, other = (choose_parts(rows(50), seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["test"], other["test"])
    assert choose_parts(rows(10), seed=0)["test"].tolist() == [2], "a run must find its test part again for ever"


def test_official_parts_are_kept() -> None:
    data = open_data("digits")
    parts = choose_parts(data, seed=3)
    assert np.array_equal(parts["test"], data.parts["test"])
    assert len(parts["validation"]) == 144
    assert np.array_equal(np.sort(np.concatenate([parts["train"], parts["validation"]])), data.parts["train"])
    assert not np.array_equal(parts["validation"], choose_parts(data, seed=4)["validation"])
    data.parts["validation"], data.parts["train"] = data.parts["train"][:9], data.parts["train"][9:]
    assert np.array_equal(choose_parts(data)["validation"], data.parts["validation"])


@pytest.mark.parametrize(
    "fractions", [{"test": 1}, {"validation": -0.1}, {"test": 2}, {"test": 0.5, "validation": 0.5}]
)
def test_fractions_that_make_no_sense(fractions) -> None:
    with pytest.raises(BadInput):
        choose_parts(rows(10), **fractions)
