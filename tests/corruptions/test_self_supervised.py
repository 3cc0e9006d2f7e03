"""Training on noisy images only: x̃, the target, and the independence of their noise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isthmus import create, fit
from isthmus.corruptions import BlindSpot, Corruption, corruption
from isthmus.errors import BadInput
from isthmus.metrics import psnr
from isthmus.types import Context, Noise, Sample


def made(text: str) -> Corruption:
    found = corruption(text)
    assert found is not None
    return found


def changed(text: str, x: Tensor, step: int = 0) -> Sample:
    return made(text)(Sample.of(x), Context(Noise(0, step, len(x))))


def numbered(count: int, channels: int, height: int, width: int) -> Tensor:
    """Every pixel says where it is: row · 100 + column; another channel is a million further."""
    place = torch.arange(height)[:, None] * 100.0 + torch.arange(width)
    return place + torch.arange(channels)[:, None, None] * 1e6 + torch.zeros(count, 1, 1, 1)


@pytest.mark.parametrize("size", [(8, 10), (9, 11), (2, 2)])
def test_neighbors_are_two_adjacent_pixels_of_one_cell(size: tuple[int, int]) -> None:
    sample = changed("neighbors", numbered(40, 3, *size))
    assert sample.x.shape == sample.target.shape == (40, 3, size[0] // 2, size[1] // 2)
    (x_row, x_column), (row, column) = ((t[:, 0] // 100, t[:, 0] % 100) for t in (sample.x, sample.target))
    assert ((x_row - row).abs() + (x_column - column).abs() == 1).all()
    cell = torch.arange(size[0] // 2)[:, None]
    assert (x_row // 2 == cell).all()
    assert (row // 2 == cell).all()
    assert (x_column // 2 == column // 2).all()
    assert torch.equal(sample.x[:, 2] - sample.x[:, 0], torch.full_like(sample.x[:, 0], 2e6))  # channels together


def test_all_eight_ways_are_drawn_alike() -> None:
    sample = changed("neighbors", numbered(2000, 1, 2, 2))
    ways = (sample.x * 1000 + sample.target).flatten()
    counts = torch.unique(ways, return_counts=True)[1]
    assert len(counts) == 8
    assert ((counts - 250).abs() < 70).all()


def test_a_blind_spot_is_another_pixel_near_by_and_counts_alone() -> None:
    x = numbered(30, 3, 9, 7)
    sample = changed("blind-spot:0.2", x)
    mask = sample.condition["mask"]
    assert sample.target is x
    assert mask.shape == (30, 1, 9, 7)
    assert float(mask.mean()) == pytest.approx(0.2, abs=0.03)
    assert torch.equal(sample.weight, mask / 0.2)
    assert torch.equal(sample.x != x, (mask > 0).expand_as(x))  # it is never the pixel itself
    far = [(sample.x[:, 0] // 100 - x[:, 0] // 100).abs(), (sample.x[:, 0] % 100 - x[:, 0] % 100).abs()]
    assert [float(side.max()) for side in far] == [2, 2]
    assert torch.equal(sample.x[:, 1] - sample.x[:, 0], x[:, 1] - x[:, 0])  # channels together
    assert sample.x[:, 0].min() >= 0


def test_the_loss_of_a_blind_spot_is_of_its_pixels_and_on_the_mean_of_all() -> None:
    model = create("denoise", shape=(1, 16, 16), channels=(4, 8), corruption="blind-spot:0.1", crop=16).eval()
    x = torch.rand(64, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.decoder.tail.weight.zero_()  # the net hands back x̃
        losses = model(Sample.of(x), Context(Noise(0, 0, 64))).terms["reconstruction"]
        sample = changed("blind-spot:0.1", x)
    nothing = model.objective.loss(x, x)[0]
    exact = ((sample.x - x).square() / 0.1).flatten(1).sum(1) + nothing * sample.weight.flatten(1).mean(1)
    assert torch.allclose(losses, exact, rtol=1e-4)


@pytest.mark.parametrize("text", ["neighbors", "blind-spot:0.5", "blind-spot:0.02-0.2"])
def test_the_noise_of_the_target_is_independent(text: str) -> None:
    sample = changed(text, torch.randn(50, 1, 64, 64, generator=torch.Generator().manual_seed(0)))
    counts = sample.condition["mask"] > 0 if "mask" in sample.condition else torch.ones_like(sample.x, dtype=torch.bool)
    pair = torch.stack([sample.x[counts], sample.target[counts]])
    assert abs(float(torch.corrcoef(pair)[0, 1])) < 0.02


@pytest.mark.parametrize(
    ("text", "size", "says"),
    [
        ("neighbors", (1, 9), "1×9 have no cells of 2×2"),
        ("blind-spot", (3, 9), "3×9 are too small for a blind spot: 4×4"),
        ("neighbors:2", (9, 9), "neighbors:2: neighbors takes no strength"),
        ("blind-spot:0", (9, 9), "between 0.001 and 1"),
        ("blind-spot:2", (9, 9), "between 0.001 and 1"),
        ("neighbors+gaussian:0.1", (9, 9), "must be last, as in gaussian:0.1\\+neighbors"),
        ("neighbors,gaussian:0.1", (9, 9), "cannot be one of several"),
    ],
)
def test_invalid_uses_are_refused_in_one_line(text: str, size: tuple[int, int], says: str) -> None:
    with pytest.raises(BadInput, match=says) as error:
        changed(text, torch.zeros(2, 1, *size))
    assert "\n" not in str(error.value)


def test_the_former_name_is_an_alias() -> None:
    assert type(made("neighbours")) is type(made("neighbors"))


def test_a_table_has_no_neighbors() -> None:
    for text in ("neighbors", "blind-spot"):
        with pytest.raises(BadInput, match="takes images of 1 or 3 channels"):
            changed(text, torch.zeros(4, 13))


def test_an_earlier_corruption_stays_in_the_target() -> None:
    module, x = made("gaussian:0.2+neighbors"), torch.full((20, 1, 32, 32), 0.5)
    sample = module(Sample.of(x), Context(Noise(0, 0, 20)))
    assert not module.clean
    assert float((sample.target - 0.5).std()) == pytest.approx(0.2, rel=0.05)  # the target is noisy too
    assert BlindSpot().clean is False
    assert made("gaussian:0.2+jpeg:50").clean


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("text", ["neighbors", "blind-spot:0.1"])
def test_noisy_pictures_alone_teach_to_clean_them(text: str) -> None:
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(48, 1, 5, 5, generator=random)
    clean = torch.nn.functional.interpolate(coarse, (32, 32), mode="bicubic", align_corners=True).clamp(0, 1)
    noisy = clean + 0.15 * torch.randn(clean.shape, generator=random)
    model = create("denoise", shape=(1, 32, 32), channels=(8, 16), corruption=text, crop=32)
    run = fit(model, noisy[:40], epochs=20, batch_size=8, lr=5e-3, validation=0.1, device="cpu", quiet=True)
    with torch.no_grad():
        before, after = (float(psnr(y, clean[40:]).mean()) for y in (noisy[40:], model.restore(noisy[40:])))
    assert after > before + 2.5
    assert run.history[-1]["validation_loss"] < run.history[0]["validation_loss"]
