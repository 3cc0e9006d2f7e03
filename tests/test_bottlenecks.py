"""Every bottleneck against its formula, worked out another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from isthmus.bottlenecks import FSQ, L1, VQ, Bottleneck, Contractive, RateKL, TopK, Variational
from isthmus.errors import BadInput
from isthmus.types import Code, Context, Noise


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def transparent(bottleneck: Bottleneck) -> Bottleneck:
    """The bottleneck without a head: its input is what its code is made of."""
    bottleneck.head = nn.Identity()
    return bottleneck


def told(bottleneck: Bottleneck, *codes: Code) -> None:
    """After a step whose batch was shared out over these codes."""
    bottleneck.after_step({name: torch.stack([code.sums[name] for code in codes]).sum(0) for name in codes[0].sums})


# -- variational --


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_the_price_of_a_gaussian_code_is_its_kl_to_the_standard_normal(beta: float) -> None:
    h = random(7, 10)
    code = transparent(Variational((10,), (5,), beta=beta))(h, Context())
    mean, log_variance = h.chunk(2, dim=1)
    exact = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1)
    assert torch.allclose(code.penalty, beta * exact, rtol=1e-5)
    assert torch.allclose(code.stats["kl_nats"], exact, rtol=1e-5)
    assert torch.equal(code.z, mean)


def test_a_gaussian_code_of_a_grid_sums_its_kl_over_the_grid() -> None:
    h = random(3, 4, 2, 5)
    code = transparent(Variational((4, 2, 5), (2, 2, 5)))(h, Context())
    exact = kl_divergence(Normal(h[:, :2], (0.5 * h[:, 2:]).exp()), Normal(0.0, 1.0)).sum((1, 2, 3))
    assert torch.allclose(code.penalty, exact, rtol=1e-5)


def test_a_gaussian_code_is_drawn_with_its_own_mean_and_spread() -> None:
    h = torch.tensor([[0.5, -2.0, 0.0, 2 * np.log(3.0)]], dtype=torch.float32).expand(40_000, 4)
    z = transparent(Variational((4,), (2,)))(h, Context(Noise(0, 0, len(h)))).z
    assert torch.allclose(z.mean(0), torch.tensor([0.5, -2.0]), atol=0.06)
    assert torch.allclose(z.std(0), torch.tensor([1.0, 3.0]), rtol=0.02)


def test_beta_rises_from_nothing_over_its_warmup() -> None:
    bottleneck, h = transparent(Variational((4,), (2,), beta=2.0, warmup=0.5)), random(3, 4)
    full = bottleneck(h, Context(progress=1.0)).penalty
    assert bottleneck(h, Context(progress=0.0)).penalty.eq(0).all()
    assert torch.allclose(bottleneck(h, Context(progress=0.25)).penalty, full / 2)
    assert torch.equal(bottleneck(h, Context(progress=0.5)).penalty, full)


def test_a_wild_feature_leaves_a_gaussian_code_finite() -> None:
    h = torch.full((2, 4), 1e4)
    code = transparent(Variational((4,), (2,)))(h, Context(Noise(0, 0, 2)))
    assert code.z.isfinite().all()
    assert code.penalty.isfinite().all()


# -- contractive --


@pytest.mark.parametrize("activate", ["sigmoid", "relu"])
def test_the_closed_form_is_the_squared_norm_of_the_jacobian(activate: str) -> None:
    bottleneck, x = Contractive((12,), (5,), weight=0.3, activate=activate, closed=True), random(6, 12)
    penalty = bottleneck(x, Context(x=x, encode=lambda x: x)).penalty
    assert torch.allclose(penalty, 0.3 * exact_squared_norm(lambda x: bottleneck.head(x), x), rtol=1e-4)


def test_the_estimate_has_the_squared_norm_of_the_jacobian_for_its_mean() -> None:
    bottleneck, net, x = Contractive((8,), (4,), weight=1.0).eval(), nn.Linear(9, 8), random(1, 9)
    many = x.expand(20_000, 9)
    context = Context(Noise(3, 0, len(many)), x=many, encode=lambda x: net(x).tanh())
    penalty = bottleneck(net(many).tanh(), context).penalty
    exact = exact_squared_norm(lambda x: bottleneck.head(net(x).tanh()), x)
    assert penalty.std() > 0.1 * exact
    assert abs(float(penalty.mean()) / float(exact) - 1) < 0.03


def test_the_estimate_can_be_learned_from() -> None:
    bottleneck, net, x = Contractive((8,), (4,)), nn.Linear(9, 8), random(5, 9)
    context = Context(Noise(0, 0, 5), x=x, encode=lambda x: net(x).tanh())
    bottleneck(net(x).tanh(), context).penalty.sum().backward()
    assert net.weight.grad is not None
    assert net.weight.grad.abs().sum() > 0


def exact_squared_norm(encode: object, x: Tensor) -> Tensor:
    rows = [torch.autograd.functional.jacobian(encode, item[None]).flatten() for item in x]
    return torch.stack([row.square().sum() for row in rows])


# -- sparse --


def test_l1_is_the_sum_of_absolute_units() -> None:
    z = torch.tensor([[0.0, 2.0, 0.5], [1.0, 0.0, 0.0]])
    code = transparent(L1((3,), (3,), weight=0.2))(z, Context())
    assert code.penalty.tolist() == pytest.approx([0.5, 0.2])
    assert float(code.stats["active_fraction"]) == pytest.approx(0.5)


def test_the_price_of_a_rate_has_the_gradient_of_the_kl_of_the_batch_mean() -> None:
    bottleneck = transparent(RateKL((6,), (6,), weight=0.7, rate=0.05))
    z = torch.sigmoid(random(9, 6)).requires_grad_()
    bottleneck.rates.copy_(z.detach().mean(0))
    penalty = bottleneck(z, Context()).penalty
    (ours,) = torch.autograd.grad(penalty.mean(), z)

    mean, rate = z.mean(0), torch.tensor(0.05)
    kl = 0.7 * kl_divergence(torch.distributions.Bernoulli(rate), torch.distributions.Bernoulli(mean)).sum()
    (exact,) = torch.autograd.grad(kl, z)
    assert torch.allclose(ours, exact, rtol=1e-3, atol=1e-6)
    assert penalty.mean().item() == pytest.approx(kl.item(), rel=1e-4)


def test_the_running_rate_follows_the_data_however_the_batch_is_split() -> None:
    z = torch.sigmoid(random(8, 3))
    whole, split = (transparent(RateKL((3,), (3,))) for _ in range(2))
    told(whole, whole(z, Context()))
    told(split, *(split(part, Context()) for part in z.split(3)))
    assert torch.allclose(whole.rates, 0.9 * torch.full((3,), 0.5) + 0.1 * z.mean(0))
    assert torch.allclose(whole.rates, split.rates)


def test_using_a_model_does_not_move_its_running_rate() -> None:
    bottleneck = transparent(RateKL((3,), (3,))).eval()
    bottleneck(torch.rand(4, 3), Context())
    assert bottleneck.rates.eq(0.5).all()


def test_top_k_keeps_exactly_the_k_largest() -> None:
    z = random(20, 4, 3).abs() + 0.1
    kept = transparent(TopK((4, 3), (4, 3), k=5))(z, Context()).z
    assert (kept != 0).flatten(1).sum(1).tolist() == [5] * 20
    for row, all_of_row in zip(kept.flatten(1), z.flatten(1), strict=True):
        assert sorted(row[row != 0].tolist()) == sorted(all_of_row.tolist())[-5:]
        assert torch.equal(row[row != 0], all_of_row[row != 0])


def test_k_shrinks_to_its_value_over_the_first_half_of_the_training() -> None:
    bottleneck, z = transparent(TopK((40,), (40,), k=4)), torch.rand(2, 40) + 0.1
    active = [int((bottleneck(z, Context(progress=p)).z != 0).sum(1)[0]) for p in (0.0, 0.25, 0.5, 1.0)]
    assert active == [40, 22, 4, 4]


# -- quantized --


def test_vq_takes_the_nearest_of_its_vectors() -> None:
    bottleneck = transparent(VQ((4, 3, 5), (4, 3, 5), codes=11, commitment=0.5)).eval()
    h = random(6, 4, 3, 5)
    code = bottleneck(h, Context())
    distances = torch.cdist(h.movedim(1, -1).reshape(-1, 4).double(), bottleneck.codebook.double())
    brute = distances.argmin(1).view(6, 3, 5)
    assert torch.equal(code.symbols, brute)
    assert torch.allclose(code.z, bottleneck.codebook[brute].movedim(-1, 1), atol=1e-6)
    assert torch.equal(bottleneck.vectors(code.symbols), bottleneck.codebook[brute].movedim(-1, 1))
    squared = distances.min(1).values.square().view(6, -1).sum(1)
    assert torch.allclose(code.penalty.double(), 0.5 * squared, rtol=1e-4)


def test_the_gradient_passes_a_quantiser_as_if_it_were_not_there() -> None:
    for bottleneck in (
        VQ((3, 2, 2), (3, 2, 2), codes=7, commitment=0.0),
        FSQ((3, 2, 2), (3, 2, 2), (5, 5, 5)),
    ):
        h = random(2, 3, 2, 2).requires_grad_()
        z = transparent(bottleneck)(h, Context()).z
        (gradient,) = torch.autograd.grad(z.sum(), h)
        assert (gradient > 0).all()
        if isinstance(bottleneck, VQ):
            assert torch.equal(gradient, torch.ones_like(h))


def test_the_codebook_follows_the_mean_of_assigned_features() -> None:
    bottleneck = transparent(VQ((2, 4), (2, 4), codes=3, decay=0.9, revive=0.0)).train()
    book = np.array([[0.0, 0.0], [5.0, 5.0], [-5.0, 5.0]], np.float32)
    bottleneck.codebook.copy_(torch.from_numpy(book))
    bottleneck.sums.copy_(bottleneck.codebook)
    counts, sums = np.ones(3), book.copy()
    for step in range(5):
        h = 3 * random(6, 2, 4, seed=step)
        rows = h.numpy().transpose(0, 2, 1).reshape(-1, 2)
        nearest = ((rows[:, None] - book[None]) ** 2).sum(-1).argmin(1)
        for code in range(3):
            mine = rows[nearest == code]
            counts[code] = 0.9 * counts[code] + 0.1 * len(mine)
            sums[code] = 0.9 * sums[code] + 0.1 * mine.sum(0)
        book = (sums / counts[:, None]).astype(np.float32)
        told(bottleneck, bottleneck(h, Context(Noise(0, step, 6))))
        assert np.allclose(bottleneck.codebook.numpy(), book, atol=1e-4)


def test_the_codebook_does_not_care_how_a_batch_is_split() -> None:
    h = random(6, 2, 4)
    # A high price of idleness: most vectors are put on a random feature of the batch, the same in both.
    whole, split = (transparent(VQ((2, 4), (2, 4), codes=5, decay=0.1, revive=0.9)).train() for _ in range(2))
    split.load_state_dict(whole.state_dict())
    before = whole.codebook.clone()
    told(whole, whole(h, Context(Noise(0, 0, 6))))
    parts = (slice(0, 2), slice(2, 6))
    told(split, *(split(h[rows], Context(Noise(0, 0, 6, rows))) for rows in parts))
    assert torch.allclose(whole.codebook, split.codebook, atol=1e-6)
    features = h.transpose(1, 2).reshape(-1, 2)
    revived = [bool((features - vector).abs().sum(1).min() < 1e-4) for vector in whole.codebook]
    assert any(revived)
    assert not torch.equal(whole.codebook, before)


def test_dead_codes_are_put_on_features_and_used_again() -> None:
    bottleneck = transparent(VQ((2, 8), (2, 8), codes=16, decay=0.5)).train()
    bottleneck.codebook.fill_(1000.0)
    bottleneck.codebook[0] = 0.0
    bottleneck.sums.copy_(bottleneck.codebook)

    def used(h: Tensor) -> int:
        return len(bottleneck(h, Context(Noise(0, 0, len(h)))).symbols.unique())

    assert used(random(32, 2, 8)) == 1
    for step in range(40):
        told(bottleneck, bottleneck(random(32, 2, 8, seed=step), Context(Noise(0, step, 32))))
    assert used(random(32, 2, 8)) == 16
    assert bottleneck.codebook.abs().max() < 10


def test_using_a_model_does_not_move_its_codebook() -> None:
    bottleneck = transparent(VQ((2, 4), (2, 4), codes=5)).eval()
    before = bottleneck.codebook.clone()
    assert not bottleneck(random(3, 2, 4), Context(Noise(0, 0, 3))).sums
    assert torch.equal(bottleneck.codebook, before)


def test_a_codebook_starts_as_the_k_means_of_the_features() -> None:
    centers = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    rows = centers.repeat(20, 1) + 0.1 * random(60, 2)
    bottleneck = transparent(VQ((2, 1), (2, 1), codes=3))
    bottleneck.start([rows.view(60, 2, 1)])
    distance = torch.cdist(centers, bottleneck.codebook).min(1).values
    assert (distance < 0.1).all()


@pytest.mark.parametrize("levels", [(8, 8, 8), (5, 4, 3), (2, 7), (3,)])
def test_fsq_symbols_and_vectors_say_the_same(levels: tuple[int, ...]) -> None:
    shape = (len(levels), 3, 4)
    bottleneck = transparent(FSQ(shape, shape, levels))
    code = bottleneck(6 * random(50, *shape), Context())
    assert torch.allclose(bottleneck.vectors(code.symbols), code.z, atol=1e-6)
    assert code.symbols.min() >= 0
    assert code.symbols.max() < bottleneck.codes == np.prod(levels)
    assert code.penalty.eq(0).all()


@pytest.mark.parametrize("levels", [(8, 8, 8), (5, 4, 3), (2, 7), (3,)])
def test_fsq_has_as_many_values_as_levels_and_meets_them_all(levels: tuple[int, ...]) -> None:
    bottleneck = transparent(FSQ((len(levels), 1), (len(levels), 1), levels))
    sweep = torch.linspace(-9, 9, 2001).view(-1, 1, 1).expand(-1, len(levels), 1)
    z = bottleneck(sweep, Context()).z
    for channel, count in enumerate(levels):
        assert len((z[:, channel] * 1e4).round().unique()) == count
    symbols = torch.arange(bottleneck.codes).view(1, -1)
    assert len(bottleneck.vectors(symbols)[0].T.unique(dim=0)) == bottleneck.codes


def test_fsq_refuses_a_wrong_number_of_levels() -> None:
    with pytest.raises(BadInput, match="one level per channel"):
        FSQ((4, 2, 2), (4, 2, 2), (8, 8, 8))
