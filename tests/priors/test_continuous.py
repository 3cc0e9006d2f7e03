"""Priors over continuous codes: normal, mixture and flow."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from isthmus.errors import BadInput
from isthmus.priors import PRIORS, Draws, Flow, Mixture, Normal, Prior, choose
from isthmus.registry import build, config_of
from isthmus.store import read_tensors, write_tensors
from isthmus.types import Context, Noise, Sample

CENTERS = torch.tensor([[-3.0, 10.0], [3.0, 10.0], [0.0, 14.0]])


def clusters(count: int = 3000, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes N×2 of three clusters of deviation 0.5, and the cluster of each."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (count,), generator=generator)
    return CENTERS[labels] + 0.5 * torch.randn(count, 2, generator=generator), labels


def trained(prior: Prior, codes: torch.Tensor, labels: torch.Tensor | None = None, steps: int = 500) -> Prior:
    """`prior`, fitted and trained for some steps of Adam."""
    prior.fit(codes, labels)
    optimizer = torch.optim.Adam(prior.parameters(), 1e-2)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / steps)
        rows = torch.randint(len(codes), (256,), generator=torch.Generator().manual_seed(step))
        condition = {} if labels is None else {"label": labels[rows][:, None]}
        losses = prior(Sample(codes[rows], codes[rows], condition=condition), Context(Noise(0, step, len(rows))))
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
    return prior.eval()


@cache
def prior_of_clusters(name: str, conditional: bool = False) -> Prior:
    codes, labels = clusters()
    torch.manual_seed(0)
    if name == "mixture":
        prior = Mixture((2,), 3 * conditional, components=3)
        prior.fit(codes, labels if conditional else None)
        return prior
    return trained(Flow((2,), 3 * conditional, width=64, depth=1), codes, labels if conditional else None)


def test_normal_is_not_changed_by_codes() -> None:
    prior = Normal((2, 3, 3))
    prior.fit(5 + torch.randn(50, 2, 3, 3))
    codes = prior.sample(Draws(0, range(4000)))
    assert codes.mean().abs() < 0.02
    assert codes.std() == pytest.approx(1, abs=0.02)
    expected = torch.distributions.Normal(0, 1).log_prob(codes).flatten(1).sum(1)
    torch.testing.assert_close(prior.log_prob(codes), expected)


@pytest.mark.parametrize("name", ["mixture", "flow"])
def test_moments_are_those_of_the_codes(name: str) -> None:
    drawn = prior_of_clusters(name).sample(Draws(1, range(3000)))
    nearest = torch.cdist(drawn, CENTERS).argmin(1)
    for cluster, center in enumerate(CENTERS):
        own = drawn[nearest == cluster]
        assert len(own) / len(drawn) == pytest.approx(1 / 3, abs=0.05)
        torch.testing.assert_close(own.mean(0), center, atol=0.2, rtol=0)
        # Of a normal distribution half the numbers lie within 0.674 deviations.
        spread = (own - center).abs().quantile(0.5, dim=0)
        torch.testing.assert_close(spread, torch.full((2,), 0.674 * 0.5), atol=0.07, rtol=0)
    assert (torch.cdist(drawn, CENTERS).min(1).values > 2).float().mean() < 0.03


@pytest.mark.parametrize("name", ["mixture", "flow"])
def test_a_label_gives_its_own_codes(name: str) -> None:
    prior = prior_of_clusters(name, conditional=True)
    labels = torch.arange(3).repeat(100)
    drawn = prior.sample(Draws(2, range(300)), labels)
    assert (torch.cdist(drawn, CENTERS).argmin(1) == labels).float().mean() > 0.98
    codes, _ = clusters(300, seed=9)
    known = prior.log_prob(CENTERS, torch.arange(3))
    wrong = prior.log_prob(CENTERS, torch.tensor([1, 2, 0]))
    assert (known > wrong + 5).all()
    assert prior.log_prob(codes).isfinite().all()


def test_labels_are_drawn_by_their_shares_and_a_given_one_gives_the_same_code() -> None:
    codes, labels = clusters()
    keep = (labels != 0) | (torch.rand(len(labels), generator=torch.Generator().manual_seed(0)) < 0.2)
    prior = Mixture((2,), 3, components=1)
    prior.fit(codes[keep], labels[keep])
    drawn = prior.sample(Draws(0, range(2000)))
    chosen = torch.cdist(drawn, CENTERS).argmin(1)
    assert (chosen == 0).float().mean() == pytest.approx(float(prior.shares[0]), abs=0.03)
    torch.testing.assert_close(prior.sample(Draws(0, range(2000)), chosen), drawn, rtol=0, atol=0)


@pytest.mark.parametrize("size", [2, 6, 200])
def test_density_of_a_mixture_is_that_of_scikit_learn(size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(size, size, generator=generator) / math.sqrt(size)
    codes = torch.randn(1000, size, generator=generator) @ mix * 3 + 7
    prior = Mixture((size,), components=2)
    prior.fit(codes)
    rows = prior.standardized(codes).double()
    if size > 64:
        axes = prior.axes.double()
        torch.testing.assert_close(axes.T @ axes, torch.eye(size).double(), atol=1e-4, rtol=0)
        rows = rows @ axes
    used = int((prior.weights[0] > 0).sum())
    model = GaussianMixture(used, covariance_type="full")
    model.weights_, model.means_ = prior.weights[0, :used].numpy(), prior.means[0, :used].double().numpy()
    factors = prior.factors[0, :used].double()
    factors = torch.diag_embed(factors) if size > 64 else factors
    model.precisions_cholesky_ = np.linalg.inv(factors.numpy()).transpose(0, 2, 1)
    expected = model.score_samples(rows.numpy()) - float(prior.std.log().sum())
    np.testing.assert_allclose(prior.log_prob(codes).numpy(), expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("size", [5, 200])
def test_one_component_is_one_full_gaussian(size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(size, size, generator=generator) / math.sqrt(size)
    codes = torch.randn(2000, size, generator=generator) @ mix + 2
    prior = Mixture((size,), components=1)
    prior.fit(codes)
    drawn = prior.sample(Draws(0, range(4000)))
    torch.testing.assert_close(drawn.T.cov(), codes.T.cov(), atol=0.35, rtol=0)
    expected = torch.distributions.MultivariateNormal(codes.mean(0).double(), codes.T.double().cov()).log_prob(codes)
    assert float((prior.log_prob(codes) - expected).mean()) / size == pytest.approx(0, abs=0.05)


def test_density_of_a_flow_is_that_of_its_gaussian() -> None:
    codes = torch.randn(500, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.1, 1, 3, 9]) + 5
    prior = Flow((4,), width=32, depth=1)
    prior.fit(codes)
    expected = torch.distributions.Normal(prior.mean, prior.std).log_prob(codes).sum(1)
    torch.testing.assert_close(prior.log_prob(codes), expected, atol=1e-2, rtol=0)
    drawn = prior.sample(Draws(0, range(2000)))
    torch.testing.assert_close(drawn.std(0) / prior.std, torch.ones(4), atol=0.05, rtol=0)


def test_density_of_a_trained_flow_sums_to_one() -> None:
    prior = prior_of_clusters("flow")
    assert isinstance(prior, Flow)
    side = torch.linspace(-1, 1, 41)
    grid = torch.cartesian_prod(5.5 * side, 12 + 5 * side)
    cell = 11 / 40 * 10 / 40
    assert float(prior.log_prob(grid, steps=30).exp().sum()) * cell == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("shape", [(1,), (3,), (4, 1, 1), (2, 7, 5), (3, 20), (2, 18, 9)])
@pytest.mark.parametrize("name", ["normal", "mixture", "flow"])
def test_a_code_is_the_same_alone_and_in_a_batch(name: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    small: dict[str, Any] = {"width": 8, "depth": 1} if name == "flow" else {}
    prior = PRIORS[name](shape, **small).eval()
    prior.fit(torch.rand(60, *shape))
    for parameter in prior.parameters():  # a network that does not start at zero
        torch.nn.init.normal_(parameter, std=0.1)
    together = prior.sample(Draws(3, range(6)))
    assert together.shape == (6, *shape)
    for index in range(6):
        torch.testing.assert_close(prior.sample(Draws(3, [index]))[0], together[index], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(prior.sample(Draws(3, range(6))), together, atol=0, rtol=0)


@pytest.mark.parametrize("name", ["mixture", "flow"])
def test_constant_numbers_are_sampled_as_they_are(name: str) -> None:
    codes = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    codes[:, 2] = 7
    prior = PRIORS[name]((5,)).eval()
    prior.fit(codes)
    drawn = prior.sample(Draws(0, range(50)))
    torch.testing.assert_close(drawn[:, 2], torch.full((50,), 7.0), atol=1e-4, rtol=0)
    constant = PRIORS[name]((5,)).eval()
    constant.fit(torch.full((30, 5), 2.5))
    torch.testing.assert_close(constant.sample(Draws(0, range(9))), torch.full((9, 5), 2.5), atol=1e-4, rtol=0)


def test_few_codes_get_fewer_components() -> None:
    prior = Mixture((4,), 2)
    labels = torch.tensor([0] * 100 + [1])
    prior.fit(torch.randn(101, 4), labels)
    assert (prior.weights > 0).sum(1).tolist() == [5, 1]
    assert prior.sample(Draws(0, range(8))).isfinite().all()


@pytest.mark.parametrize("name", ["normal", "mixture", "flow"])
def test_refusals(name: str) -> None:
    codes = torch.randn(20, 2)
    codes[3, 1] = math.nan
    with pytest.raises(BadInput, match="NaN"):
        PRIORS[name]((2,)).fit(codes)
    with pytest.raises(BadInput, match="without labels"):
        PRIORS[name]((2,)).sample(Draws(0, [0]), torch.tensor([0]))
    with pytest.raises(BadInput, match="0 to 2 are accepted"):
        PRIORS[name]((2,), 3).sample(Draws(0, [0]), torch.tensor([3]))
    with pytest.raises(BadInput, match="have none"):
        PRIORS[name]((2,), 3).fit(torch.randn(20, 2))


def test_long_codes_have_no_mixture_and_no_density_of_a_flow() -> None:
    with pytest.raises(BadInput, match="prior flow"):
        Mixture((8, 16, 16))
    with pytest.raises(BadInput, match="at most 64"):
        Flow((65,)).log_prob(torch.zeros(1, 65))


@pytest.mark.parametrize("name", ["normal", "mixture", "flow"])
def test_a_saved_prior_gives_the_same_codes(name: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    codes, labels = clusters(200)
    prior = PRIORS[name]((2,), 3).eval()
    prior.fit(codes, labels)
    for parameter in prior.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    write_tensors(tmp_path / "prior.safetensors", prior.state_dict(), config_of(prior))
    tensors, config = read_tensors(tmp_path / "prior.safetensors")
    loaded = build(config).eval()
    loaded.load_state_dict(tensors)
    torch.testing.assert_close(loaded.sample(Draws(0, range(9))), prior.sample(Draws(0, range(9))), atol=0, rtol=0)


def test_temperature_zero_gives_means_of_components() -> None:
    drawn = prior_of_clusters("mixture").sample(Draws(0, range(20)), temperature=0.0)
    assert (torch.cdist(drawn, CENTERS).min(1).values < 0.1).all()


def test_guidance_zero_forgets_the_label() -> None:
    prior = prior_of_clusters("flow", conditional=True)
    assert isinstance(prior, Flow)
    drawn = prior.sample(Draws(0, range(300)), torch.zeros(300, dtype=torch.long), guidance=0.0)
    counts = torch.cdist(drawn, CENTERS).argmin(1).bincount(minlength=3)
    assert (counts > 60).all()


def test_choice() -> None:
    assert choose(True, (7, 7), 100) == "transformer"
    assert choose(False, (16,), 1000) == "mixture"
    assert choose(False, (16,), 60_000) == "flow"
    assert choose(False, (4, 8, 8), 1000) == "flow"
