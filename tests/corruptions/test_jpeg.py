"""JPEG of a batch equals that of Pillow."""

from __future__ import annotations

import io

import numpy as np
import pytest
import skimage
import torch
from PIL import Image

from isthmus.corruptions import corruption
from isthmus.corruptions.jpeg import Jpeg, as_jpeg, cropped_jpeg
from isthmus.types import Context, Noise, Sample


def by_pillow(pixels: np.ndarray, quality: int, subsampling: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file)).reshape(pixels.shape)


def batch_of(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).movedim(-1, 0)[None] / 255


@pytest.mark.parametrize("quality", [5, 10, 30, 50, 75, 95, 100])
@pytest.mark.parametrize("side", [(64, 64), (77, 93)])
@pytest.mark.parametrize("kind", ["gray", "color", "fine color"])
def test_it_is_pillows_but_for_rounding(quality: int, side: tuple[int, int], kind: str) -> None:
    pixels = np.ascontiguousarray(skimage.data.astronaut()[80 : 80 + side[0], 150 : 150 + side[1]])
    pixels = pixels[..., :1] if kind == "gray" else pixels
    fine = kind == "fine color"
    ours = as_jpeg(batch_of(pixels), torch.tensor([float(quality)]), torch.tensor([fine]))[0].movedim(0, -1)
    theirs = by_pillow(pixels, quality, 0 if fine else 2).astype(float)
    apart = abs(ours.numpy() * 255 - theirs)
    lost = abs(pixels - theirs).mean()
    # A frequency halfway between two steps goes either way, and all 64 pixels of its block with it.
    assert apart.mean() < max(0.3, 0.15 * lost)
    assert np.quantile(apart, 0.9) <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_the_quality_is_in_the_condition(channels: int) -> None:
    x = torch.rand(6, channels, 24, 40, generator=torch.Generator().manual_seed(0))
    sample = Jpeg((5, 95))(Sample.of(x), Context(Noise(0, 0, 6)))
    qualities = sample.condition["quality"].tolist()
    assert len(set(qualities)) > 3
    for item, quality, found in zip(x, qualities, sample.x, strict=True):
        pixels = (item * 255).round().byte().movedim(0, -1).numpy()
        apart = [
            abs(255 * found.movedim(0, -1).numpy() - by_pillow(pixels, int(quality) + other, 2)).mean()
            for other in (0, -2, 2)
        ]
        assert apart[0] < 0.8 < min(apart[1:])


def test_each_item_has_its_own_quality() -> None:
    x = batch_of(np.ascontiguousarray(skimage.data.astronaut()[80:144, 150:214])).repeat(3, 1, 1, 1)
    quality = torch.tensor([10.0, 50.0, 90.0])
    together = as_jpeg(x, quality)
    for number in range(3):
        alone = as_jpeg(x[number : number + 1], quality[number : number + 1])
        torch.testing.assert_close(together[number : number + 1], alone, atol=1.1 / 255, rtol=0)
    errors = (together - x).abs().mean((1, 2, 3))
    assert errors[0] > errors[1] > errors[2]


def test_blocks_of_a_cropped_jpeg_have_the_given_offset() -> None:
    ramp = torch.linspace(0, 1, 64).view(1, 1, 1, -1).expand(1, 3, 64, 64) ** 2
    zero = torch.zeros(1, dtype=torch.long)
    five = torch.tensor([5.0])
    here = cropped_jpeg(ramp, five, zero, zero, torch.tensor([True]))
    torch.testing.assert_close(here, as_jpeg(ramp, five, torch.tensor([True])))
    moved = cropped_jpeg(ramp, five, zero, zero + 3, torch.tensor([True]))
    steps = moved[0].diff(dim=2).abs().mean((0, 1))  # 63: an edge lies where a block ends
    assert int(steps.argmax()) % 8 == 4


def test_clipped_noise_is_that_of_a_file_of_8_bits() -> None:
    damage = corruption("gaussian:0.2+clipped")
    assert damage is not None
    x = torch.zeros(2, 1, 16, 16)
    seen = damage(Sample(x, x), Context(Noise(0, 0, 2))).x
    assert seen.min() == 0
    assert torch.equal((255 * seen).round() / 255, seen)
