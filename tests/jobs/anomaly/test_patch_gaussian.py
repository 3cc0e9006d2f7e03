"""PatchGaussian and coresets against their definitions."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.covariance import EmpiricalCovariance

from isthmus.jobs.anomaly.patch_distances import SHRINKAGE, PatchGaussian, coreset, directions


def features(count: int, seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    mixed = torch.randn(count, 5, 3, 4, generator=random)
    return mixed + 0.7 * mixed.roll(1, 1) + torch.arange(60.0).view(5, 3, 4)


def test_the_distance_is_mahalanobis_at_each_position() -> None:
    learned, seen = features(200, 0), features(7, 1)
    found = PatchGaussian.fit([learned[:120], learned[120:]])(seen)
    at_positions = learned.double().flatten(2).unbind(2)
    covariances = [EmpiricalCovariance().fit(each.numpy()) for each in at_positions]
    variance = np.mean([one.covariance_.diagonal().mean() for one in covariances])
    for position, one in enumerate(covariances):
        row, column = divmod(position, 4)
        away = seen[:, :, row, column].double().numpy() - one.location_
        precision = np.linalg.inv(one.covariance_ + SHRINKAGE * variance * np.eye(5))
        wanted = np.sqrt(np.einsum("nk,kl,nl->n", away, precision, away))
        np.testing.assert_allclose(found[:, row, column], wanted, rtol=3e-3)  # stored in half precision


def test_many_features_are_projected_to_orthonormal_directions() -> None:
    few = directions(300, 32 * 32)
    assert few.shape == (300, 128)
    torch.testing.assert_close(few.T @ few, torch.eye(128), atol=1e-5, rtol=0)
    assert torch.equal(directions(60, 32 * 32), torch.eye(60))


def test_a_coreset_covers_rare_patches_that_a_random_choice_misses() -> None:
    random = torch.Generator().manual_seed(0)
    rows = torch.randn(2000, 16, generator=random) * 0.1
    rows[7], rows[1234] = 3.0, -3.0
    chosen = coreset(rows, 20)
    assert chosen.shape == (20, 16)
    assert len(chosen.unique(dim=0)) == 20
    for rare in (rows[7], rows[1234]):
        assert (chosen == rare).all(1).any()
    assert torch.cdist(rows, chosen).amin(1).max() < torch.cdist(rows, rows[:20]).amin(1).max()
