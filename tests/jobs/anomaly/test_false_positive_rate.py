"""The bound on the false-positive rate holds for any size of the calibration set, and its interval is calibrated."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import isthmus
from isthmus.jobs.anomaly.detector import Detector
from isthmus.jobs.anomaly.distances import Mahalanobis, NearestNeighbors
from isthmus.jobs.anomaly.quantiles import binomial_interval, conformal_threshold, threshold_interval
from isthmus.jobs.anomaly.settings import Settings

ROWS, TIMES, UNSEEN = 12, 120, 300


@pytest.fixture(scope="module")
def model() -> isthmus.Autoencoder:
    return isthmus.create("detect", shape=(ROWS,), code=3, kind="undercomplete", widths=(16,), seed=0).eval()


def items(count: int, seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return (0.5 + 0.15 * torch.randn(count, ROWS, generator=random) * torch.linspace(0.2, 1.5, ROWS)).clamp(0, 1)


@pytest.mark.parametrize("score", ["error", "error+knn", "error+mahalanobis+covariance"])
@pytest.mark.parametrize(("count", "share"), [(9, 0.1), (49, 0.1)])
def test_the_bound_holds_over_redraws_of_the_calibration_set(
    model: isthmus.Autoencoder, score: str, count: int, share: float
) -> None:
    learned, settings = [items(60, 0)], Settings.of(model, score=score, pool="worst")
    rates, inside = [], []
    for draw in range(1, TIMES + 1):
        drawn = items(count + UNSEEN, draw)
        detector = Detector.fit(model, learned, [drawn[:count]], settings)
        assert detector.fpr_bound(share) == pytest.approx(share)
        rates.append(float(detector(model, drawn[count:], share).bad.double().mean()))
        low, high = detector.fpr_interval(share)
        inside.append(low - 1 / UNSEEN <= rates[-1] <= high + 1 / UNSEEN)
    error = float(np.std(rates, ddof=1)) / math.sqrt(TIMES)
    assert np.mean(rates) == pytest.approx(share, abs=3 * error)  # three standard errors: six cases are tested
    assert np.mean(inside) > 0.88  # 95 % for exact rates


def test_the_order_of_scores_does_not_depend_on_the_calibration_set(model: isthmus.Autoencoder) -> None:
    learned, settings = [items(60, 0)], Settings.of(model, score="error+knn+covariance")
    unseen = items(50, 3)
    orders = [
        Detector.fit(model, learned, [items(count, seed)], settings)(model, unseen).score.argsort().tolist()
        for count, seed in ((1, 4), (5, 5), (80, 6))
    ]
    assert orders[0] == orders[1] == orders[2]


def test_scores_have_the_mean_and_about_the_spread_of_the_calibration_set(model: isthmus.Autoencoder) -> None:
    held = items(200, 9)
    detector = Detector.fit(model, [items(60, 0)], [held], Settings.of(model, score="error+knn"))
    found = detector(model, held)
    assert float(found.score.mean()) == pytest.approx(0, abs=1e-3)
    assert 0.4 < float(found.score.std()) < 1.2
    assert found.ratio.argsort().tolist() == found.score.argsort().tolist()
    assert ((found.ratio > 1) == (found.score > 0)).all()


def test_the_quantile_and_its_intervals() -> None:
    for count, share, place in (
        (9, 0.1, 9),
        (19, 0.05, 19),
        (19, 0.1, 18),
        (199, 0.05, 190),
        (9, 0.3, 7),
        (5, 0.01, 5),
    ):
        assert conformal_threshold(torch.arange(1.0, count + 1), share) == place
    low, high = threshold_interval(0, 9)
    assert (1 - low) ** 9 == pytest.approx(0.975)
    assert (1 - high) ** 9 == pytest.approx(0.025)
    assert binomial_interval(0, 20) == pytest.approx((0, 1 - 0.025 ** (1 / 20)))
    assert binomial_interval(20, 20) == pytest.approx((0.025 ** (1 / 20), 1))
    assert binomial_interval(5, 50) == pytest.approx((0.0333, 0.2181), abs=1e-3)


def test_distances_of_fitted_codes_leave_out_the_code_itself() -> None:
    codes = torch.randn(40, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).float()
    near = NearestNeighbors.fit(codes, k=2).leave_one_out(codes)
    for one in range(3):
        others = torch.cat([codes[:one], codes[one + 1 :]])
        assert float(near[one]) == pytest.approx(
            float(NearestNeighbors.fit(others, k=2)(codes[one : one + 1])), rel=1e-3
        )
    plain = Mahalanobis(codes.mean(0), torch.linalg.inv(torch.cov(codes.T, correction=0)), len(codes))
    for one in range(3):
        others = torch.cat([codes[:one], codes[one + 1 :]])
        apart = Mahalanobis(others.mean(0), torch.linalg.inv(torch.cov(others.T, correction=0)))
        assert float(plain.leave_one_out(codes)[one]) == pytest.approx(float(apart(codes[one : one + 1])), rel=1e-3)
