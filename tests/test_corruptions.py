"""What the encoder is allowed to see: statistics of the damage, and that it can be played again."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isthmus.contracts import Context, Noise, Sample
from isthmus.corruptions import (
    Affine,
    Compose,
    GaussianNoise,
    Masking,
    SaltAndPepper,
    augmentation,
    corruption,
)
from isthmus.errors import BadInput

GRAY = torch.full((40, 3, 20, 30), 0.5)
ALL = ["gaussian:0.2", "salt-and-pepper:0.3", "masking:0.4", "masking:0.3+gaussian:0.1"]


def damaged(text: str, x: Tensor = GRAY, seed: int = 0, step: int = 0, rows: slice | None = None) -> Sample:
    part = x if rows is None else x[rows]
    return corruption(text)(Sample.of(part), Context(Noise(seed, step, len(x), rows)))


def test_gaussian_noise_has_its_sigma_and_is_not_clipped() -> None:
    sample = damaged("gaussian:0.3")
    noise = sample.x - 0.5
    assert abs(float(noise.mean())) < 0.005
    assert float(noise.std()) == pytest.approx(0.3, rel=0.01)
    assert sample.x.min() < 0
    assert sample.x.max() > 1
    assert sample.condition["sigma"].tolist() == pytest.approx([0.3] * 40)


def test_blind_noise_draws_a_sigma_an_item_and_tells_it() -> None:
    sample = GaussianNoise((0.1, 0.5))(Sample.of(GRAY), Context(Noise(0, 0, 40)))
    told, met = sample.condition["sigma"], (sample.x - 0.5).flatten(1).std(1)
    assert torch.allclose(told, met, rtol=0.1)
    assert 0.1 <= told.min() < 0.2 < 0.4 < told.max() <= 0.5


def test_salt_and_pepper_are_half_the_rate_each_in_all_channels_at_once() -> None:
    x = damaged("salt-and-pepper:0.2").x
    assert float((x == 0).float().mean()) == pytest.approx(0.1, abs=0.01)
    assert float((x == 1).float().mean()) == pytest.approx(0.1, abs=0.01)
    assert torch.equal(x[:, 0], x[:, 1])
    assert torch.equal(x[:, 0], x[:, 2])


def test_masking_hides_its_rate_in_all_channels_at_once_and_tells_where() -> None:
    sample = damaged("masking:0.4")
    hidden = sample.x == 0
    assert float(hidden.float().mean()) == pytest.approx(0.4, abs=0.01)
    assert sample.condition["mask"].shape == (40, 1, 20, 30)
    assert torch.equal(hidden, sample.condition["mask"].bool().expand_as(hidden))


def test_masking_hides_numbers_of_a_table_each_by_itself() -> None:
    sample = damaged("masking:0.5", torch.ones(200, 6))
    share = (sample.x == 0).float().mean(0)
    assert ((share - 0.5).abs() < 0.15).all()
    assert not (sample.x == sample.x[:, :1]).all()


@pytest.mark.parametrize("text", ALL)
def test_the_target_stays_what_it_was(text: str) -> None:
    sample = damaged(text)
    assert torch.equal(sample.target, GRAY)
    assert not torch.equal(sample.x, GRAY)


@pytest.mark.parametrize("text", ALL)
def test_seed_and_step_say_it_all(text: str) -> None:
    first = damaged(text, seed=3, step=7).x
    torch.manual_seed(99)
    assert torch.equal(damaged(text, seed=3, step=7).x, first)
    assert not torch.equal(damaged(text, seed=3, step=8).x, first)
    assert not torch.equal(damaged(text, seed=4, step=7).x, first)


@pytest.mark.parametrize("text", ALL)
def test_an_item_meets_the_same_damage_however_the_batch_is_split(text: str) -> None:
    whole = damaged(text, step=5).x
    parts = [damaged(text, step=5, rows=rows).x for rows in (slice(0, 7), slice(7, 8), slice(8, 40))]
    assert torch.equal(torch.cat(parts), whole)


def test_neighbouring_seeds_and_steps_share_no_noise() -> None:
    drawn = [Noise(seed, step, 1).normal(500)[0] for seed in range(5) for step in range(5)]
    correlation = torch.corrcoef(torch.stack(drawn)) - torch.eye(25)
    assert correlation.abs().max() < 0.25


def test_several_corruptions_come_one_after_the_other() -> None:
    sample = damaged("masking:0.5+gaussian:0.1")
    hidden = sample.condition["mask"].bool().expand_as(sample.x)
    assert isinstance(corruption("masking:0.5+gaussian:0.1"), Compose)
    assert float(sample.x[hidden].mean()) == pytest.approx(0.0, abs=0.01)
    assert float(sample.x[hidden].std()) == pytest.approx(0.1, rel=0.05)
    assert set(sample.condition) == {"mask", "sigma"}


def test_real_damage_is_not_damaged_again() -> None:
    assert corruption("gaussian").given(GRAY) is GRAY


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gausian:0.3", "did you mean 'gaussian'"),
        ("gaussian:lots", "must be a number"),
        ("gaussian:-1", "a number from 0 up"),
        ("masking:1.5", "between 0 and 1"),
        ("gaussian+", "unknown corruption ''"),
    ],
)
def test_a_corruption_that_cannot_be_is_refused(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        corruption(text)


def test_none_is_no_corruption_and_no_augmentation() -> None:
    assert corruption("none") is None
    assert augmentation("none") is None


# -- augmentation --


def ramp() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(64, 1, 4, 4, generator=generator).repeat_interleave(4, 2).repeat_interleave(4, 3)


def augmented(x: Tensor, target: Tensor, progress: float = 0.0, **keys: float) -> Sample:
    return Affine(**keys)(Sample(x, target), Context(Noise(0, 0, len(x)), progress))


def test_affine_moves_picture_and_target_alike() -> None:
    x = ramp()
    sample = augmented(x, 1 - x)
    assert not torch.equal(sample.x, x)
    assert torch.allclose(sample.target, 1 - sample.x, atol=1e-5)


def test_affine_leaves_one_picture_in_four_as_it_is() -> None:
    x = ramp()
    still = (augmented(x, x).x - x).abs().flatten(1).amax(1) < 1e-5
    assert 0.1 < float(still.float().mean()) < 0.4


def test_affine_moves_a_little_only() -> None:
    x = torch.zeros(64, 1, 29, 29)
    x[:, :, 14, 14] = 1.0
    places = torch.arange(29.0) - 14
    moved = augmented(x, x).x[:, 0]
    mass = moved.sum((1, 2))
    down, right = (moved.sum(2) @ places) / mass, (moved.sum(1) @ places) / mass
    assert 0.3 < down.abs().max() < 2
    assert 0.3 < right.abs().max() < 2


@pytest.mark.parametrize("progress", [0.8, 1.0])
def test_affine_is_off_at_the_end_of_a_training(progress: float) -> None:
    x = ramp()
    assert torch.equal(augmented(x, x, progress).x, x)
    assert not torch.equal(augmented(x, x, 0.79).x, x)


def test_affine_of_no_strength_changes_nothing() -> None:
    x = ramp()
    assert torch.allclose(augmented(x, x, strength=0.0).x, x, atol=1e-5)


def test_affine_leaves_tables_alone() -> None:
    x = torch.rand(5, 7)
    assert torch.equal(augmented(x, x).x, x)


def test_the_kinds_of_damage_have_classes_of_their_own() -> None:
    kinds = {"gaussian:0.1": GaussianNoise, "masking:0.1": Masking, "salt-and-pepper:0.1": SaltAndPepper}
    assert {text: type(corruption(text)) for text in kinds} == kinds
