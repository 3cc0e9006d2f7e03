"""−log p(x) by importance sampling, against models whose likelihood is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from isthmus import Autoencoder, create, evaluate
from isthmus.bottlenecks import Variational
from isthmus.data import open_data
from isthmus.inference import likelihood
from isthmus.inference.likelihood import affordable, likelihood_figures, negative_log_likelihood
from isthmus.networks import DenseDecoder, DenseEncoder
from isthmus.objectives import Gaussian
from isthmus.types import Sample

D, K, SIGMA = 6, 2, 0.5


def linear_gaussian(spread: float) -> tuple[Autoencoder, MultivariateNormal]:
    """Probabilistic PCA (Tipping & Bishop 1999) with its posterior, `spread` times as wide; and p(x)."""
    random = torch.Generator().manual_seed(3)
    w, mean = torch.randn(D, K, generator=random), torch.randn(D, generator=random)
    inner = w.T @ w + SIGMA**2 * torch.eye(K)
    model = Autoencoder(
        (D,), DenseEncoder((D,)), Variational((D,), (K,)), DenseDecoder((K,), (D,)), Gaussian(SIGMA, "free")
    )
    head = next(layer for layer in model.bottleneck.modules() if isinstance(layer, nn.Linear))
    with torch.no_grad():
        model.decoder.layers[0].weight.copy_(w)
        model.decoder.layers[0].bias.copy_(mean)
        project = torch.linalg.solve(inner, w.T)
        head.weight.zero_()
        head.weight[:K], head.bias[:K] = project, -project @ mean
        # Of the correlated posterior only the variances, so that the weights of the codes differ.
        head.bias[K:] = (spread**2 * SIGMA**2 * inner.inverse().diagonal()).log()
    return model.eval(), MultivariateNormal(mean, w @ w.T + SIGMA**2 * torch.eye(D))


@pytest.mark.parametrize("spread", [1.0, 1.5])
def test_of_a_linear_gaussian_model_it_is_the_exact_one(spread: float) -> None:
    model, exact = linear_gaussian(spread)
    x = exact.sample((40,))
    nats = negative_log_likelihood(model, Sample.of(x), 20_000)
    assert nats.shape == (40,)
    assert float(nats.mean()) == pytest.approx(float(-exact.log_prob(x).mean()), abs=0.01)


def test_an_item_has_the_same_value_alone_and_in_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, exact = linear_gaussian(1.5)
    x = exact.sample((3,))
    nats = negative_log_likelihood(model, Sample.of(x), 100)
    alone = negative_log_likelihood(model, Sample.of(x[2:]), 100, first=2)
    assert torch.equal(nats[2:], alone)
    assert not torch.equal(nats[2:], negative_log_likelihood(model, Sample.of(x[2:]), 100, seed=1, first=2))
    monkeypatch.setattr(likelihood, "NUMBERS", 30 * D)  # of several passes, the last of which is shorter
    many = negative_log_likelihood(model, Sample.of(x), 20_000)
    assert torch.allclose(many, -exact.log_prob(x), atol=0.05)


def test_a_density_is_of_the_stored_values() -> None:
    model = create("variational", shape=(1, 8, 8), code=4, widths=(20,), loss="gaussian").eval()
    x = np.random.default_rng(0).integers(0, 256, (5, 8, 8), dtype=np.uint8)
    figures = evaluate(model, x, split="all")
    assert figures["nll_nats"] < -figures["elbo_nats"]
    assert figures["nll_nats"] > 64 * math.log(2)  # noise of 8 bits has 64·log 256


def test_the_protocol_names_binarization_items_samples_and_family() -> None:
    model = create("variational", shape=(1, 8, 8), code=4, widths=(20,), loss="bce").eval()
    gray = np.random.default_rng(0).integers(0, 256, (5, 8, 8), dtype=np.uint8)
    figures = evaluate(model, gray, split="all")
    text = "5 items, 5,000 importance samples of each; decoder: independent Bernoulli"
    assert figures["protocol"] == f"dynamic binarization (seed 0), {text}"
    binary = (gray > 127).astype(np.uint8) * 255
    assert evaluate(model, binary, split="all")["protocol"] == f"fixed binarization, {text}"
    assert 0 < figures["nll_standard_error"] < 10


def test_a_slow_decoder_gets_fewer_items_then_fewer_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    model = create("variational", shape=(1, 8, 8), code=4, widths=(20,), loss="bce").eval()
    each = 4 * 20 + 20 * 64 + likelihood.PER_VALUE * 64
    assert affordable(model, 300) == (300, 5000)
    assert affordable(model, 10**6) == (1000, 5000)
    monkeypatch.setattr(likelihood, "MULTIPLY_ADDS", 200 * 5000 * each)
    assert affordable(model, 1000) == (200, 5000)
    monkeypatch.setattr(likelihood, "MULTIPLY_ADDS", 100 * 700 * each)
    assert affordable(model, 1000) == (100, 700)
    monkeypatch.setattr(likelihood, "MULTIPLY_ADDS", 100 * 99 * each)
    data = open_data(np.zeros((200, 8, 8), np.uint8))
    assert likelihood_figures(model, data) == {}


@pytest.mark.parametrize("keys", [{"name": "undercomplete"}, {"name": "variational", "loss": "mse"}])
def test_a_model_without_a_likelihood_or_a_prior_has_none(keys: dict[str, str], digits: np.ndarray) -> None:
    assert not any(name.startswith("nll") for name in evaluate(create(shape=(1, 8, 8), **keys).eval(), digits))


def test_a_binarizing_model_is_evaluated_on_black_and_white(digits: np.ndarray) -> None:
    keys = {"shape": (1, 8, 8), "code": 4, "widths": (20,), "loss": "bce"}
    gray, binary = create("variational", **keys).eval(), create("variational", augment="binarize", **keys).eval()
    assert evaluate(gray, digits)["nll_nats"] == evaluate(binary, digits)["nll_nats"]
    assert evaluate(gray, digits)["bce_per_pixel"] != evaluate(binary, digits)["bce_per_pixel"]
    black_and_white: Tensor = torch.from_numpy(digits > 127)
    assert evaluate(gray, black_and_white)["bce_per_pixel"] == evaluate(binary, black_and_white)["bce_per_pixel"]


def test_figures_are_those_of_the_function(digits: np.ndarray) -> None:
    model, x = create("variational", shape=(1, 8, 8), code=4, loss="bce").eval(), (digits > 127).astype(np.uint8) * 255
    figures = likelihood_figures(model, open_data(x))
    nats = negative_log_likelihood(model, Sample.of(torch.from_numpy(x / 255).float()), 5000)
    assert figures["nll_nats"] == pytest.approx(float(nats.mean()), rel=1e-6)
    assert figures["nll_standard_error"] == pytest.approx(float(nats.std()) / math.sqrt(len(x)), rel=1e-5)
