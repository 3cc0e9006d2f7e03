"""Every likelihood against torch.distributions, and every loss in nats an item."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli as BernoulliOracle
from torch.distributions import Categorical as CategoricalOracle
from torch.distributions import Laplace as LaplaceOracle
from torch.distributions import Normal

from isthmus.errors import BadInput
from isthmus.metrics import ssim
from isthmus.objectives import Bernoulli, Categorical, Gaussian, Laplace, MaskedReconstruction, Structural, objective
from isthmus.registry import build, config_of

random = torch.Generator().manual_seed(0)
Y = torch.randn(4, 3, 5, 6, generator=random)
TARGET = torch.rand(4, 3, 5, 6, generator=random)


def per_item(log_probability: Tensor) -> Tensor:
    return -log_probability.flatten(1).sum(1)


def test_bernoulli_is_the_log_probability_of_black_and_white() -> None:
    target = TARGET.round()
    exact = per_item(BernoulliOracle(logits=Y).log_prob(target))
    assert torch.allclose(Bernoulli().loss(Y, target), exact, rtol=1e-5)


def test_bernoulli_is_the_cross_entropy_between_gray_values() -> None:
    p = Y.double().sigmoid()
    exact = per_item(TARGET * p.log() + (1 - TARGET) * (1 - p).log())
    assert torch.allclose(Bernoulli().loss(Y, TARGET).double(), exact, rtol=1e-5)


def test_bernoulli_stays_finite_where_it_is_sure() -> None:
    y = torch.tensor([[200.0, -200.0]])
    assert Bernoulli().loss(y, torch.tensor([[0.0, 1.0]])).tolist() == [400.0]


@pytest.mark.parametrize("link", ["sigmoid", "identity"])
@pytest.mark.parametrize("sigma", [0.1, math.sqrt(0.5), 2])
def test_gaussian_is_the_normal_likelihood(sigma: float, link: str) -> None:
    mean = Y.sigmoid() if link == "sigmoid" else Y
    exact = per_item(Normal(mean, sigma).log_prob(TARGET))
    assert torch.allclose(Gaussian(sigma, link).loss(Y, TARGET), exact, rtol=1e-5)


def test_gaussian_of_sigma_root_half_is_the_squared_error_plus_a_constant() -> None:
    squared = (Y.sigmoid() - TARGET).square().flatten(1).sum(1)
    difference = Gaussian().loss(Y, TARGET) - squared
    assert torch.allclose(difference, torch.full((4,), 90 * 0.5 * math.log(math.pi)), rtol=1e-4)


def test_gaussian_with_a_sigma_a_pixel_is_the_normal_likelihood() -> None:
    y = torch.cat([Y, 0.3 * Y], dim=1)
    sigma = torch.exp(-6 + torch.nn.functional.softplus(0.3 * Y + 6))
    exact = per_item(Normal(Y.sigmoid(), sigma).log_prob(TARGET))
    compare = Gaussian("pixel")
    assert compare.channels == 2
    assert torch.allclose(compare.loss(y, TARGET), exact, rtol=1e-4)
    assert torch.allclose(compare.mean(y), Y.sigmoid())


def test_the_learned_sigma_is_best_at_the_error_of_the_data() -> None:
    compare = Gaussian("learned", "identity")
    target = Y + 0.2 * torch.randn(Y.shape, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.LBFGS(compare.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = compare.loss(Y, target).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    rms = (target - Y).square().mean().sqrt()
    exact = per_item(Normal(Y, rms).log_prob(target)).mean()
    assert float(compare.loss(Y, target).mean().detach()) == pytest.approx(float(exact), rel=1e-4)


@pytest.mark.parametrize("link", ["sigmoid", "identity"])
def test_laplace_is_the_laplace_likelihood(link: str) -> None:
    mean = Y.sigmoid() if link == "sigmoid" else Y
    exact = per_item(LaplaceOracle(mean, 0.5).log_prob(TARGET))
    assert torch.allclose(Laplace(link=link).loss(Y, TARGET), exact, rtol=1e-5)


def test_categorical_is_the_likelihood_of_the_level() -> None:
    levels = 7
    y = torch.randn(4, levels * 3, 5, 6, generator=torch.Generator().manual_seed(2))
    level = (TARGET * (levels - 1)).round().long()
    oracle = CategoricalOracle(logits=y.view(4, levels, 3, 5, 6).movedim(1, -1))
    compare = Categorical(levels)
    assert torch.allclose(compare.loss(y, level / (levels - 1)), per_item(oracle.log_prob(level)), rtol=1e-5)
    expected = (oracle.probs * torch.linspace(0, 1, levels)).sum(-1)
    assert torch.allclose(compare.mean(y), expected, atol=1e-6)


def test_a_uniform_guess_over_256_levels_costs_8_bits_a_value() -> None:
    loss = Categorical().loss(torch.zeros(1, 256 * 3, 2, 2), torch.rand(1, 3, 2, 2))
    assert float(loss) == pytest.approx(12 * 8 * math.log(2), rel=1e-5)


def test_structural_loss_is_one_minus_ssim_per_value() -> None:
    exact = (1 - ssim(Y.sigmoid(), TARGET)) * 90
    assert torch.allclose(Structural().loss(Y, TARGET), exact)
    assert float(Structural().loss(torch.logit(TARGET, 1e-6), TARGET).abs().max()) < 1e-2


@pytest.mark.parametrize("compare", [Bernoulli(), Gaussian(), Laplace()])
def test_weights_two_and_zero_count_twice_and_not(compare: object) -> None:
    plain = compare.loss(Y, TARGET)
    assert torch.allclose(compare.loss(Y, TARGET, 2.0), 2 * plain)
    half = torch.zeros_like(TARGET)
    half[..., :3] = 1.0
    alone = compare.loss(Y[..., :3].contiguous(), TARGET[..., :3])
    assert torch.allclose(compare.loss(Y, TARGET, half), alone, rtol=1e-4)


@pytest.mark.parametrize("name", ["bce", "mse", "gaussian", "l1", "ssim"])
def test_a_picture_lies_between_black_and_white(name: str) -> None:
    for link in ("sigmoid", "identity"):
        picture = objective(name, link).picture(20 * Y)
        assert 0 <= picture.min() <= picture.max() <= 1


def test_half_precision_outputs_are_compared_in_full() -> None:
    for name in ("bce", "mse", "gaussian", "l1", "ssim"):
        assert objective(name).loss(Y.bfloat16(), TARGET).dtype == torch.float32


def test_an_unknown_loss_gets_the_nearest_name() -> None:
    with pytest.raises(BadInput, match="did you mean 'bce'"):
        objective("bc")


@pytest.mark.parametrize("sigma", [0, -1.0, "lerned"])
def test_an_invalid_sigma_is_refused(sigma: object) -> None:
    with pytest.raises(BadInput, match="'learned' or 'pixel' is accepted"):
        Gaussian(sigma)


def test_ssim_of_a_table_is_refused() -> None:
    with pytest.raises(BadInput, match="images, not tables"):
        Structural().loss(torch.rand(2, 5), torch.rand(2, 5))


def test_ssim_of_some_pixels_alone_is_refused() -> None:
    x = torch.rand(2, 1, 12, 12)
    with pytest.raises(BadInput, match="cannot weight single pixels"):
        Structural().loss(x, x, torch.ones(2, 1, 12, 12))


def test_where_counts_the_same_however_little_is_covered() -> None:
    y, target = torch.zeros(2, 2, 40, 50), torch.zeros(2, 2, 40, 50)
    target[0, 1, :20] = 1  # a half
    target[1, 1, :8] = 1  # a fifth
    y[:, 1] = -3.0  # nothing is covered, it says

    def of_where(even: bool) -> torch.Tensor:
        loss = MaskedReconstruction(Gaussian(link="identity"), outside=0.0, even=even).loss(y, target)
        return loss - Gaussian(link="identity").loss(y[:, :1], target[:, :1], target[:, 1:])

    missed, spared = math.log(1 + math.exp(3)), math.log(1 + math.exp(-3))
    shares = torch.tensor([0.5, 0.2])
    plain = 2000 * (shares * missed + (1 - shares) * spared)
    assert of_where(False) == pytest.approx(plain, rel=1e-4)
    even = 1000 * (shares / (shares + 0.02) * missed + (1 - shares) / (1.02 - shares) * spared)
    assert of_where(True) == pytest.approx(even, rel=1e-4)
    assert float(plain[1] / plain[0]) < 0.5 < 0.9 < float(even[1] / even[0])


@pytest.mark.parametrize("loss", ["bce", "mse", "gaussian", "l1"])
def test_tables_are_not_clipped(loss: str) -> None:
    free = objective(loss).unbounded()
    far = torch.tensor([[7.0, -3.0]])
    assert free.picture(far).tolist() == far.tolist()
    assert free.loss(far, far) < free.loss(far, far - 1)
    assert build(config_of(free)).link == "free"
