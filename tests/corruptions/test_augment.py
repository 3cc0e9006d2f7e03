"""Augmentation: x and target changed together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isthmus import create
from isthmus.corruptions import Affine, Binarize, Crop, augmentation
from isthmus.errors import BadInput
from isthmus.types import Context, Noise, Sample


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
    assert 0.3 < down.abs().max() < 1.2  # 1/28 of 29 pixels is 1.04
    assert 0.3 < right.abs().max() < 1.2


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


# -- crops --


def numbered(count: int = 400, height: int = 9, width: int = 7) -> Tensor:
    """Each pixel its own number, 10 · row + column, in two channels of which the second is 1000 more."""
    pixels = 10.0 * torch.arange(height)[:, None] + torch.arange(width)
    return torch.stack([pixels, pixels + 1000]).expand(count, -1, -1, -1).contiguous()


def cropped(x: Tensor, target: Tensor, size: int = 4) -> Sample:
    return Crop(size)(Sample(x, target), Context(Noise(0, 0, len(x))))


def test_a_crop_is_a_square_of_the_picture_in_one_of_eight_ways() -> None:
    x = numbered()
    met, ways = set(), set()
    for square in cropped(x, x).x:
        top, left = divmod(int(square[0].min()), 10)
        met.add((top, left))
        truth = x[0, :, top : top + 4, left : left + 4]
        turns = [torch.rot90(t, turn, (1, 2)) for t in (truth, truth.flip(2)) for turn in range(4)]
        same = [torch.equal(square, turned) for turned in turns]
        assert sum(same) == 1
        ways.add(same.index(True))
    assert met == {(top, left) for top in range(6) for left in range(4)}
    assert ways == set(range(8))


def test_a_crop_of_the_whole_picture_still_turns_it() -> None:
    x = numbered(64, 5, 5)
    squares = cropped(x, x, 5).x
    assert all(torch.equal(square.flatten().sort()[0], x[0].flatten().sort()[0]) for square in squares)
    assert len({tuple(square.flatten().tolist()) for square in squares}) == 8


def test_crop_cuts_x_and_target_alike() -> None:
    x = numbered()
    sample = cropped(x, 1 - x[:, :1])
    assert torch.equal(sample.target, 1 - sample.x[:, :1])


def test_crop_cuts_the_same_part_of_a_target_that_is_larger() -> None:
    x = numbered(50)
    sample = cropped(x, x.repeat_interleave(3, 2).repeat_interleave(3, 3))
    assert torch.equal(sample.target, sample.x.repeat_interleave(3, 2).repeat_interleave(3, 3))


def test_a_target_that_is_x_is_cut_once() -> None:
    x = numbered(5)
    sample = cropped(x, x)
    assert sample.target is sample.x


def test_crop_has_a_text_form_and_refuses_small_items() -> None:
    module = augmentation("crop:6")
    assert isinstance(module, Crop)
    assert module.size == 6
    with pytest.raises(BadInput, match="items of 2×9×7: a crop of 8 takes larger images"):
        cropped(numbered(3), numbered(3), 8)
    with pytest.raises(BadInput, match="a crop of 4 takes larger images"):
        cropped(torch.rand(3, 9), torch.rand(3, 9))
    with pytest.raises(BadInput, match="crop is 0"):
        Crop(0)


def test_binarize_draws_each_pixel_with_its_value_as_the_probability() -> None:
    x = torch.linspace(0, 1, 9).view(1, 1, 3, 3).expand(20_000, 1, 3, 3)
    sample = Binarize()(Sample.of(x), Context(Noise(0, 0, len(x))))
    assert sample.x is sample.target
    assert set(sample.x.unique().tolist()) == {0.0, 1.0}
    assert torch.allclose(sample.x.mean(0), x[0], atol=0.02)
    assert torch.equal(sample.x[:, 0, 0, 0], x[:, 0, 0, 0])
    assert torch.equal(sample.x[:, 0, 2, 2], x[:, 0, 2, 2])


def test_binarize_draws_anew_at_every_step_and_the_same_for_a_part_of_the_batch() -> None:
    x = ramp()
    first, again, other = (Binarize()(Sample.of(x), Context(Noise(0, step, len(x)))).x for step in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    part = Binarize()(Sample.of(x[8:16]), Context(Noise(0, 1, len(x), slice(8, 16)))).x
    assert torch.equal(part, first[8:16])


def test_validation_of_a_binarizing_model_is_of_black_and_white() -> None:
    model, x = create("variational", shape=(1, 16, 16), code=2, loss="bce", augment="binarize"), ramp()
    for mode in (model.train(), model.eval()):
        sample = mode.corrupted(Sample.of(x), Context(Noise(0, 0, len(x))))
        assert set(sample.x.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(model.eval().corrupted(Sample.of(x), Context()).x, x)
