"""Scores of generated features against closed forms, and against the definitions of the papers written plainly."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from isthmus.errors import BadInput
from isthmus.metrics import generation
from isthmus.metrics.generation import density_coverage, duplicates, frechet_distance, nearest, precision_recall


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "ENTRIES", 1000)  # several blocks even for few items


def normal(count: int, size: int, seed: int = 0) -> Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def whitened(count: int, size: int) -> Tensor:
    """Rows of exactly mean 0 and covariance I."""
    x = normal(count, size)
    x = x - x.mean(0)
    return torch.linalg.qr(x).Q * math.sqrt(count - 1)


def test_frechet_distance_of_known_gaussians() -> None:
    x, shift = whitened(500, 4), torch.tensor([3.0, 0.0, 4.0, 0.0], dtype=torch.float64)
    scale = torch.tensor([1.0, 2.0, 0.5, 0.0], dtype=torch.float64)
    assert frechet_distance(x, x + shift) == pytest.approx(25)
    assert frechet_distance(x * scale, x * scale + shift) == pytest.approx(25)
    assert frechet_distance(x, x * scale) == pytest.approx(float((1 - scale).square().sum()))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_is_that_of_the_square_root_of_the_product() -> None:
    a, b = normal(300, 6) @ normal(6, 6, seed=1), normal(200, 6, seed=2) @ normal(6, 6, seed=3) + 0.5
    one, other = (np.cov(x.numpy(), rowvar=False) for x in (a, b))
    root = scipy.linalg.sqrtm(one @ other).real
    expected = float((a.mean(0) - b.mean(0)).square().sum()) + np.trace(one + other - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_has_no_noise_with_singular_covariances() -> None:
    few = normal(10, 200) * 100  # of rank 9
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-8)
    assert frechet_distance(few, few + 1) == pytest.approx(200, rel=1e-9)
    assert frechet_distance(few.float(), few.float().flip(0)) == pytest.approx(0, abs=1e-8)
    with pytest.raises(BadInput, match="2 or more"):
        frechet_distance(few[:1], few)


def distances(a: Tensor, b: Tensor) -> np.ndarray:
    return np.linalg.norm(a.numpy()[:, None] - b.numpy()[None], axis=2)


def radii(x: Tensor, k: int) -> np.ndarray:
    return np.sort(distances(x, x), axis=1)[:, k]  # column 0 is the item itself


@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_are_those_of_the_definition(k: int) -> None:
    real, generated = normal(80, 3), normal(60, 3, seed=1) * 1.5 + 0.3
    between = distances(generated, real)
    precision = (between <= radii(real, k)).any(1).mean()
    recall = (radii(generated, k) >= between.T).any(1).mean()
    assert precision_recall(real, generated, k) == pytest.approx((precision, recall))
    assert 0.2 < precision < recall < 1


def test_density_and_coverage_are_those_of_the_definition() -> None:
    real, generated = normal(80, 3), normal(60, 3, seed=1) * 0.5
    inside = distances(real, generated) < radii(real, 5)[:, None]
    density, coverage = inside.sum() / (5 * 60), inside.any(1).mean()
    assert density_coverage(real, generated) == pytest.approx((density, coverage))
    assert density > 1 > coverage


def test_scores_of_the_real_items_themselves_and_of_items_far_away() -> None:
    real = normal(100, 4)
    assert precision_recall(real, real) == (1, 1)
    assert density_coverage(real, real)[1] == 1
    assert precision_recall(real, real + 100) == (0, 0)
    assert density_coverage(real, real + 100) == (0, 0)


def test_a_single_mode_has_precision_without_recall() -> None:
    real = torch.cat([normal(50, 2), normal(50, 2, seed=1) + 20])
    precision, recall = precision_recall(real, normal(100, 2, seed=2))
    assert precision > 0.8
    assert 0.3 < recall <= 0.5
    assert density_coverage(real, normal(100, 2, seed=2))[1] <= 0.5


def test_too_few_items_are_refused() -> None:
    with pytest.raises(BadInput, match="of 3 items; 4 or more"):
        precision_recall(normal(3, 2), normal(9, 2))
    with pytest.raises(BadInput, match="of 5 items; 6 or more"):
        density_coverage(normal(5, 2), normal(9, 2))
    with pytest.raises(BadInput, match="the reference is empty"):
        nearest(normal(3, 2), normal(0, 2))


@pytest.mark.parametrize("parts", [1, 4])
def test_nearest_finds_the_nearest_row_in_parts_of_a_reference(parts: int) -> None:
    items, reference = normal(70, 5).float(), normal(90, 5, seed=1).float()
    index, distance = nearest(items, reference if parts == 1 else iter(reference.tensor_split(parts)))
    every = distances(items.double(), reference.double())
    assert index.tolist() == every.argmin(1).tolist()
    assert distance.numpy() == pytest.approx(every.min(1))


def test_the_distance_of_equal_rows_is_zero() -> None:
    reference = (normal(50, 8) + 1e4).float()  # squares of 1e8, of which differences lose eight digits
    index, distance = nearest(reference.flip(0), reference)
    assert index.tolist() == list(range(49, -1, -1))
    assert distance.count_nonzero() == 0


def test_duplicates_are_every_copy_and_about_one_of_a_hundred_fresh_items() -> None:
    training, held_out, fresh = normal(2000, 6), normal(1000, 6, seed=1), normal(1000, 6, seed=2)
    limit = nearest(held_out, training)[1]
    assert int(duplicates(limit, limit).sum()) == 10
    assert 2 <= int(duplicates(nearest(fresh, training)[1], limit).sum()) <= 25
    copies = torch.cat([training[:300], fresh[:200]])
    assert duplicates(nearest(copies, training)[1], limit)[:300].all()
    noisy = training[:300] + 1e-3 * normal(300, 6, seed=3)
    assert duplicates(nearest(noisy, training)[1], limit).all()
    with pytest.raises(BadInput, match="no held-back items"):
        duplicates(limit, limit[:0])
