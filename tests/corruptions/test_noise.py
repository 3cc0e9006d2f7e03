"""The statistics of each kind of noise, and its strength in the condition."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from isthmus.corruptions import GaussianNoise, Jpeg, PoissonGaussian, PoissonNoise, SaltAndPepper, Speckle, corruption
from isthmus.errors import BadInput
from isthmus.training.step import VALIDATION
from isthmus.types import Context, Noise, Sample

GRAY = torch.full((40, 3, 20, 30), 0.5)


def damaged(text: str, x: Tensor = GRAY, seed: int = 0, step: int = 0) -> Sample:
    return corruption(text)(Sample.of(x), Context(Noise(seed, step, len(x))))


def test_gaussian_noise_has_its_sigma_and_is_not_clipped() -> None:
    sample = damaged("gaussian:0.3")
    noise = sample.x - 0.5
    assert abs(float(noise.mean())) < 0.005
    assert float(noise.std()) == pytest.approx(0.3, rel=0.01)
    assert sample.x.min() < 0
    assert sample.x.max() > 1
    assert sample.condition["sigma"].tolist() == pytest.approx([0.3] * 40)


def test_blind_noise_draws_one_sigma_per_item_into_the_condition() -> None:
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


def test_adjacent_seeds_and_steps_share_no_noise() -> None:
    drawn = [Noise(seed, step, 1).normal(500)[0] for seed in range(5) for step in range(5)]
    correlation = torch.corrcoef(torch.stack(drawn)) - torch.eye(25)
    assert correlation.abs().max() < 0.25


@pytest.mark.parametrize("bit", range(64))
def test_every_bit_of_seed_and_step_changes_the_noise(bit: int) -> None:
    plain, other_step, other_seed = (Noise(*key, 1).normal(8) for key in ((0, 0), (0, 2**bit), (2**bit, 0)))
    assert not torch.equal(plain, other_step)
    assert not torch.equal(plain, other_seed)
    assert not torch.equal(other_step, other_seed)


def test_validation_meets_other_noise_than_training() -> None:
    assert not torch.equal(Noise(3, 0, 1).normal(8), Noise(3, VALIDATION, 1).normal(8))


def test_the_rate_of_salt_and_pepper_is_drawn_per_item_into_the_condition() -> None:
    sample = SaltAndPepper((0.0, 0.6))(Sample.of(GRAY), Context(Noise(0, 0, 40)))
    met = (sample.x[:, 0] != 0.5).float().mean((1, 2))
    assert torch.allclose(sample.condition["rate"], met, atol=0.08)
    assert met.max() > 0.4
    assert met.min() < 0.1


def test_speckle_grows_with_the_light() -> None:
    dark, light = (damaged("speckle:0.2", torch.full((40, 1, 20, 30), level)) for level in (0.1, 0.8))
    assert float(dark.x.std()) == pytest.approx(0.02, rel=0.02)
    assert float(light.x.std()) == pytest.approx(0.16, rel=0.02)
    assert light.condition["sigma"].tolist() == pytest.approx([0.2] * 40)
    assert Speckle((0.1, 0.5))(Sample.of(GRAY), Context(Noise(0, 0, 40))).condition["sigma"].std() > 0.05


def test_photon_counts_are_integers_with_poisson_mean() -> None:
    sample = damaged("poisson:20")
    photons = sample.x * 20
    assert torch.allclose(photons, photons.round(), atol=1e-4)
    assert float(photons.mean()) == pytest.approx(10, rel=0.01)
    assert float(photons.var()) == pytest.approx(10, rel=0.02)
    assert sample.condition["peak"].tolist() == pytest.approx([20.0] * 40)
    assert not PoissonNoise(5)(Sample.of(torch.zeros(2, 1, 8, 8)), Context(Noise(0, 0, 2))).x.any()


def test_the_peak_is_log_uniform_and_in_the_condition() -> None:
    x = torch.full((200, 1, 20, 20), 0.5)
    sample = PoissonNoise((4, 400))(Sample.of(x), Context(Noise(0, 0, 200)))
    told, met = sample.condition["peak"], 0.5 / sample.x.flatten(1).var(1)
    assert float((told < 40).float().mean()) == pytest.approx(0.5, abs=0.1)
    assert torch.allclose(told.log(), met.log(), atol=0.35)


def test_an_x_ray_has_the_noise_of_its_photons_and_of_its_reading() -> None:
    sample = PoissonGaussian(50, 0.1)(Sample.of(GRAY), Context(Noise(0, 0, 40)))
    assert float(sample.x.mean()) == pytest.approx(0.5, abs=0.005)
    assert float(sample.x.var()) == pytest.approx(0.5 / 50 + 0.1**2, rel=0.02)
    assert set(sample.condition) == {"peak", "sigma"}
    alone = PoissonGaussian(50, 0)(Sample.of(GRAY), Context(Noise(0, 0, 40))).x
    assert torch.allclose(alone * 50, (alone * 50).round(), atol=1e-4)


def test_worse_quality_is_further_from_the_picture() -> None:
    x = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0)).repeat_interleave(8, 2)
    errors = [float((damaged(f"jpeg:{quality}", x).x - x).square().mean()) for quality in (5, 30, 95)]
    assert errors == sorted(errors, reverse=True)


def test_noise_takes_tables_and_jpeg_does_not() -> None:
    table = torch.rand(50, 7)
    for text in ("gaussian:0.1", "speckle:0.1", "poisson:30", "poisson-gaussian", "salt-and-pepper:0.3"):
        assert damaged(text, table).x.shape == (50, 7)
        assert not torch.equal(damaged(text, table).x, table)
    with pytest.raises(BadInput, match="items of 7: JPEG takes images of 1 or 3 channels"):
        damaged("jpeg", table)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: GaussianNoise((0.3, 0.1)), "sigma is .* from 0 up"),
        (lambda: GaussianNoise(float("nan")), "sigma is nan"),
        (lambda: GaussianNoise((0.1, 0.2, 0.3)), "sigma is"),
        (lambda: PoissonNoise(0), "peak is 0: a number from 0.01 up"),
        (lambda: Jpeg(101), "quality is 101: a number between 1 and 100"),
        (lambda: SaltAndPepper((0, 2)), "rate is .* between 0 and 1"),
    ],
)
def test_invalid_strengths_are_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        make()


def test_camera_noise_grows_in_linear_light_and_is_correlated_as_demosaiced_noise_is() -> None:
    color = torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1).expand(40, -1, 64, 64)
    dim, bright = (damaged("camera:500", scale * color).x ** 2.2 - (scale * color) ** 2.2 for scale in (0.5, 1.5))
    assert 2 < float(bright.std() / dim.std()) < 3.3  # √(3^2.2), and the noise of the reading
    noise = dim - dim.mean((2, 3), keepdim=True)
    beside = ((noise[..., 1:] * noise[..., :-1]).mean((1, 2, 3)) / noise.square().mean((1, 2, 3))).sort().values
    assert float(beside[:4].abs().max()) < 0.1  # a fifth of the items is white
    assert float(beside[20:].min()) > 0.3
    few, many = (float((damaged(f"camera:{peak}", color).x - color).std()) for peak in (100, 2000))
    assert 3 < few / many < 9


def test_camera_noise_is_of_8_bits_and_leaves_gray_items_gray() -> None:
    gray = torch.rand(20, 1, 1, 1).expand(-1, 3, 16, 16)
    x = damaged("camera", gray).x
    assert torch.equal(x, x[:, :1].expand_as(x))
    assert torch.equal((x * 255).round() / 255, x)
    assert not torch.equal(x, gray)
    assert damaged("camera", gray[:, :1]).x.shape == (20, 1, 16, 16)


def test_blocks_of_a_cropped_jpeg_begin_anywhere() -> None:
    ramp = torch.linspace(0, 1, 64).expand(60, 3, 64, 64).clone()
    steps = (damaged("cropped-jpeg:5", ramp).x.diff(dim=3).abs()).mean((1, 2))  # N×63
    phases = {int(torch.stack([one[phase::8].mean() for phase in range(8)]).argmax()) for one in steps}
    assert len(phases) == 8
