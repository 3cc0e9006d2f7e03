"""Scores of generated items: their features, their keys, and real items in the place of generated ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from isthmus.data import open_data
from isthmus.errors import BadInput
from isthmus.jobs.generation import scores as module
from isthmus.jobs.generation.scores import features_for, frechet_floor, scores
from isthmus.metrics import frechet_distance

KEYS = ["frechet_distance", "frechet_floor", "precision", "recall", "density", "coverage", "duplicates", "items"]


def rows(count: int, seed: int, size: int = 4) -> Tensor:
    return torch.rand(count, size, generator=torch.Generator().manual_seed(seed))


def images(count: int, seed: int, channels: int = 1, side: int = 20) -> Tensor:
    return rows(count, seed, channels * side * side).unflatten(1, (channels, side, side))


def test_fresh_real_rows_score_as_real_ones_and_others_do_not() -> None:
    training, held_out = rows(600, 0), rows(400, 1)
    fresh = scores(rows(400, 2), held_out, training)
    assert list(fresh) == [*KEYS, "features"]
    assert fresh["features"] == "values"
    assert fresh["items"] == 400
    assert fresh["frechet_distance"] < 3 * fresh["frechet_floor"]
    assert min(fresh["precision"], fresh["recall"], fresh["density"], fresh["coverage"]) > 0.85
    assert fresh["duplicates"] < 20
    other = scores(rows(400, 2) ** 3, held_out, training)
    assert other["frechet_distance"] > 20 * fresh["frechet_floor"]
    assert other["coverage"] < fresh["coverage"]


def test_copies_of_training_items_are_duplicates() -> None:
    training = rows(600, 0)
    assert scores(training[:200], rows(400, 1), training)["duplicates"] == 200


def test_values_are_those_of_the_units_of_each_column() -> None:
    training, held_out, made = rows(600, 0), rows(400, 1), rows(400, 2)
    units = torch.tensor([1.0, 1000.0, 0.001, 1.0])
    one, other = scores(made, held_out, training), scores(made * units, held_out * units, training * units)
    assert one["frechet_distance"] == pytest.approx(other["frechet_distance"], rel=1e-3)
    constant = torch.cat([training, torch.ones(600, 1)], 1)
    assert features_for(constant).of(constant).isfinite().all()


def test_the_floor_is_the_distance_between_real_items_of_these_sizes() -> None:
    draws = [torch.randn(2000, 8, generator=torch.Generator().manual_seed(seed)) for seed in range(12)]
    for count in (500, 2000):
        floors = [frechet_floor(held_out, count) for held_out in draws[:6]]
        real = [frechet_distance(a[:count], b) for a, b in zip(draws[:6], draws[6:], strict=True)]
        assert np.mean(floors) == pytest.approx(np.mean(real), rel=0.15)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_compared_by_the_shipped_features(channels: int) -> None:
    training = images(40, 0, channels)
    made = scores(training[:10], images(20, 1, channels), training)
    assert (made["features"], made["duplicates"]) == ("isthmus features", 10)
    assert features_for(training).of(training[:3]).shape == (3, 64 + 128 + 192)


def test_features_do_not_depend_on_the_chunk_and_come_from_data_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = (images(9, 0, side=16)[:, 0] * 255).byte().numpy()
    data, exact = open_data(pixels), torch.from_numpy(pixels)[:, None] / 255
    used = features_for(data)
    every = used.of(exact)
    monkeypatch.setattr(module, "CHUNK", 4)
    assert [len(part) for part in used.parts(data)] == [4, 4, 1]
    assert torch.allclose(used.of(data), every, atol=1e-4)


class Halves(nn.Module):
    channels = 1

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x[:, 0, :10], x[:, 0, 10:]], 1)


def test_a_named_source_gets_the_images_as_they_are() -> None:
    training = images(30, 0)
    used = features_for(training, Halves())
    assert used.name == "Halves"
    assert torch.allclose(used.of(training), Halves()(training).flatten(2).mean(2))
    with pytest.raises(BadInput, match="unknown source of features 'nothing'"):
        features_for(training, "nothing")
