"""The transformer prior over symbols."""

from __future__ import annotations

import math

import pytest
import torch

from isthmus.errors import BadInput
from isthmus.priors import Draws, Transformer
from isthmus.priors.transformer import choose_symbol
from isthmus.registry import build, config_of
from isthmus.store import read_tensors, write_tensors
from isthmus.types import Context, Noise, Sample

SMALL = {"width": 24, "depth": 2, "heads": 2, "dropout": 0.0}


def small(shape: tuple[int, ...] = (3, 4), classes: int = 0, codes: int = 8) -> Transformer:
    """A prior with random weights that are not near 0."""
    torch.manual_seed(0)
    prior = Transformer(shape, classes, codes, **SMALL)  # type: ignore[arg-type]
    for weight in prior.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return prior.eval()


def patterns(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Symbols N×2×3: counting up from 0, 2 or 4 modulo 6, and the label of the start."""
    labels = torch.arange(count) % 3
    return ((2 * labels[:, None] + torch.arange(6)) % 6).view(-1, 2, 3), labels


@pytest.fixture(scope="module")
def trained() -> Transformer:
    """A conditional prior that has learned the patterns."""
    torch.manual_seed(0)
    prior = Transformer((2, 3), 3, 6, **SMALL)  # type: ignore[arg-type]
    symbols, labels = patterns(60)
    prior.fit(symbols, labels)
    optimizer = torch.optim.Adam(prior.parameters(), 1e-2)
    for step in range(120):
        sample = Sample(symbols, symbols, condition={"label": labels[:, None]})
        losses = prior(sample, Context(Noise(0, step, len(symbols))))
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
    return prior.eval()


def test_a_deterministic_pattern_is_learned(trained: Transformer) -> None:
    symbols, labels = patterns(30)
    assert torch.equal(trained.sample(Draws(0, range(30)), labels), symbols)
    drawn = trained.sample(Draws(1, range(300)))
    starts = drawn[:, 0, 0].bincount(minlength=6)
    assert starts[1::2].sum() == 0
    assert (starts[::2] > 70).all()
    own, unigram = trained.bits(symbols, labels)
    assert own < 0.05
    assert unigram == pytest.approx(math.log2(6), abs=1e-3)
    # Without a label only the start is unknown: one of three.
    free, _ = trained.bits(symbols)
    assert free == pytest.approx(math.log2(3) / 6, abs=0.05)
    torch.testing.assert_close(trained.log_prob(symbols[:3], labels[:3]), torch.zeros(3), atol=0.2, rtol=0)


def test_known_symbols_are_kept_and_continued(trained: Transformer) -> None:
    symbols, labels = patterns(30)
    mask = torch.zeros_like(symbols, dtype=torch.bool)
    mask[:, 0] = True
    drawn = trained.sample(Draws(0, range(30)), labels.roll(1), known=(symbols, mask))
    assert torch.equal(drawn[:, 0], symbols[:, 0])
    later = torch.zeros_like(mask)
    later[:, 1, 1] = True
    forced = trained.sample(Draws(0, range(30)), labels, known=(torch.full_like(symbols, 5), later))
    assert (forced[:, 1, 1] == 5).all()
    assert torch.equal(forced[:, 0], symbols[:, 0])


def test_an_untrained_prior_is_the_unigram() -> None:
    prior = Transformer((10,), codes=4, **SMALL).eval()  # type: ignore[arg-type]
    symbols = torch.tensor([0, 0, 0, 0, 0, 0, 0, 1, 1, 2]).repeat(100, 1)
    prior.fit(symbols)
    expected = (torch.tensor([701.0, 201.0, 101.0, 1.0]) / 1004).log()
    torch.testing.assert_close(prior.unigram, expected)
    own, unigram = prior.bits(symbols)
    assert unigram == pytest.approx(-float(prior.unigram[symbols].mean()) / math.log(2))
    assert own == pytest.approx(unigram, abs=0.05)
    drawn = prior.sample(Draws(0, range(200)))
    assert (drawn == 0).float().mean() == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (5,), (3, 4)])
def test_the_cache_changes_nothing(shape: tuple[int, ...]) -> None:
    prior = small(shape, classes=2)
    draws, labels = range(70), torch.arange(70) % 2
    cached = prior.sample(Draws(0, draws), labels)
    assert torch.equal(cached, prior.sample(Draws(0, draws), labels, cached=False))
    symbols = prior.flat(cached)
    with torch.no_grad():
        tokens = prior._inputs(symbols[:, :-1], labels)
        full = prior._logits(prior._outputs(tokens))
        caches = prior._caches(len(symbols))
        for position in range(prior.tokens):
            step = prior._outputs(tokens[:, position : position + 1], caches=caches, start=position)
            torch.testing.assert_close(prior._logits(step)[:, 0], full[:, position], atol=1e-5, rtol=1e-5)


def test_a_later_symbol_does_not_change_an_earlier_prediction() -> None:
    prior = small()
    one, other = torch.zeros(1, 12, dtype=torch.long), torch.zeros(1, 12, dtype=torch.long)
    other[0, 6:] = 3
    with torch.no_grad():
        first, second = (prior._logits(prior._outputs(prior._inputs(s[:, :-1], prior._null(1)))) for s in (one, other))
    torch.testing.assert_close(first[:, :7], second[:, :7])
    assert (first[:, 7:] - second[:, 7:]).abs().max() > 1e-3


@pytest.mark.parametrize("options", [{}, {"temperature": 0.7}, {"top_k": 3}, {"top_p": 0.8}])
def test_a_code_is_the_same_alone_and_in_a_batch(options: dict[str, float]) -> None:
    prior = small(classes=3)
    together = prior.sample(Draws(3, range(130)), **options)  # type: ignore[arg-type]
    for index in (0, 63, 64, 129):
        assert torch.equal(prior.sample(Draws(3, [index]), **options)[0], together[index])  # type: ignore[arg-type]


def test_samples_follow_the_probabilities() -> None:
    prior = small((2,), codes=3)
    drawn = prior.sample(Draws(0, range(6000))).unique(dim=0, return_counts=True)
    expected = prior.log_prob(drawn[0]).exp()
    assert float(expected.sum()) == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(drawn[1] / 6000, expected, atol=0.02, rtol=0)


def test_temperature_zero_and_top_k_one_give_the_mode() -> None:
    prior = small()
    mode = prior.sample(Draws(0, range(4)), temperature=0.0)
    assert (mode == mode[0]).all()
    assert torch.equal(prior.sample(Draws(9, range(4)), top_k=1), mode)
    with torch.no_grad():
        logits = prior._logits(prior._outputs(prior._inputs(prior.flat(mode)[:, :-1], prior._null(4))))
    assert torch.equal(logits.argmax(2), prior.flat(mode))


def test_choice_of_a_symbol() -> None:
    logits = torch.tensor([0.1, 0.5, 0.15, 0.25]).log().expand(5, -1)
    uniform = torch.tensor([0.0, 0.0999, 0.1001, 0.7, 1 - 2**-24])
    assert choose_symbol(logits, uniform).tolist() == [0, 0, 1, 2, 3]
    assert choose_symbol(logits, uniform, top_k=2).tolist() == [1, 1, 1, 3, 3]
    assert choose_symbol(logits, uniform, top_p=0.5).tolist() == [1] * 5
    assert choose_symbol(logits, uniform, top_p=0.76).tolist() == [1, 1, 1, 2, 3]
    assert choose_symbol(logits, uniform, temperature=0).tolist() == [1] * 5
    # Symbols of probability 0 are never chosen, not even the last by the greatest number below 1.
    ends = torch.randn(500, 40, generator=torch.Generator().manual_seed(0)).mul(3)
    ends[:, 30:] = -math.inf
    assert choose_symbol(ends, torch.full((500,), 1 - 2**-24)).max() < 30
    cold = choose_symbol(logits[:1].expand(1000, -1), torch.arange(1000) / 1000, temperature=0.5)
    squares = torch.tensor([0.01, 0.25, 0.0225, 0.0625])
    torch.testing.assert_close(cold.bincount() / 1000, squares / squares.sum(), atol=0.002, rtol=0)


def test_a_saved_prior_gives_the_same_codes(tmp_path) -> None:  # type: ignore[no-untyped-def]
    prior = small(classes=3)
    prior.fit(torch.randint(8, (20, 3, 4)), torch.arange(20) % 3)
    write_tensors(tmp_path / "prior.safetensors", prior.state_dict(), config_of(prior))
    tensors, config = read_tensors(tmp_path / "prior.safetensors")
    loaded = build(config).eval()
    loaded.load_state_dict(tensors)
    assert torch.equal(loaded.sample(Draws(0, range(9))), prior.sample(Draws(0, range(9))))


def test_dropout_is_drawn_from_the_noise_of_the_step() -> None:
    torch.manual_seed(0)
    prior = Transformer((3, 4), 2, 8, width=16, depth=2, heads=2, dropout=0.5)
    symbols, labels = torch.randint(8, (6, 3, 4)), torch.arange(6)[:, None] % 2

    def losses(step: int, rows: slice) -> torch.Tensor:
        sample = Sample(symbols[rows], symbols[rows], condition={"label": labels[rows]})
        return prior(sample, Context(Noise(0, step, 6, rows))).terms["reconstruction"]

    full = losses(0, slice(0, 6))
    torch.testing.assert_close(torch.cat([losses(0, slice(0, 4)), losses(0, slice(4, 6))]), full)
    assert (losses(1, slice(0, 6)) - full).abs().min() > 1e-4
    prior.eval()
    torch.testing.assert_close(losses(0, slice(0, 6)), losses(1, slice(0, 6)))


def test_mixed_precision() -> None:
    prior = small()
    symbols = torch.randint(8, (5, 3, 4), generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        loss = prior(Sample.of(symbols), Context()).total
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(-float(prior.log_prob(symbols).mean()), rel=0.02)


def test_refusals() -> None:
    prior = small()
    with pytest.raises(BadInput, match="0 to 7"):
        prior.fit(torch.full((2, 3, 4), 8))
    with pytest.raises(BadInput, match="3×4"):
        prior.log_prob(torch.zeros(2, 4, 3, dtype=torch.long))
    with pytest.raises(BadInput, match="top_p"):
        prior.sample(Draws(0, [0]), top_p=0.0)
    with pytest.raises(BadInput, match="without labels"):
        prior.sample(Draws(0, [0]), torch.tensor([0]))
    with pytest.raises(BadInput, match="multiple of heads"):
        Transformer((2, 2), width=10, heads=3)
