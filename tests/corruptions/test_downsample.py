"""MATLAB's bicubic: the published figures, the definition, and pictures of any size."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from isthmus.bicubic import enlarge, shrink
from isthmus.corruptions import Downsample
from isthmus.errors import BadInput
from isthmus.types import Context, Noise, Sample

PUBLISHED = {2: 33.66, 3: 30.39, 4: 28.42}  # Set5


def eighth(x: Tensor) -> Tensor:
    return (x.clamp(0, 1) * 255).round() / 255


@pytest.mark.parametrize("scale", PUBLISHED)
def test_bicubic_has_its_published_figure_on_set5(real_data: Path, scale: int) -> None:
    figures = []
    for file in sorted((real_data / "set5").glob("*.bmp")):
        rgb = np.array(Image.open(file).convert("RGB")) @ [65.481, 128.553, 24.966] / 255 + 16
        luma = torch.from_numpy(rgb.round() / 255).float()[None, None]
        sample = Downsample(scale)(Sample.of(luma), Context(Noise(0, 0, 1)))
        found = eighth(enlarge(sample.x, scale))
        assert found.shape == sample.target.shape
        error = (found - sample.target)[..., scale:-scale, scale:-scale]
        figures.append(-10 * math.log10(float(error.square().mean())))
    assert len(figures) == 5
    assert sum(figures) / 5 == pytest.approx(PUBLISHED[scale], abs=0.015)


def by_definition(line: list[float], out: int, factor: float) -> list[float]:
    """imresize of one line, as its documentation has it: a sum over all pixels of the line mirrored without end."""

    def cubic(t: float) -> float:
        t = abs(t)
        if t <= 1:
            return 1.5 * t**3 - 2.5 * t**2 + 1
        return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t <= 2 else 0.0

    mirrored, width, result = [*line, *line[::-1]], max(1.0, 1 / factor), []
    for place in range(out):
        center = (place + 0.5) / factor - 0.5
        near = range(math.floor(center - 2 * width) - 1, math.ceil(center + 2 * width) + 2)
        weights = [cubic((n - center) / width) for n in near]
        pixels = [mirrored[n % len(mirrored)] for n in near]
        result.append(sum(w * p for w, p in zip(weights, pixels, strict=True)) / sum(weights))
    return result


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
@pytest.mark.parametrize("pixels", [1, 2, 7])
def test_both_equal_imresize(scale: int, pixels: int) -> None:
    line = torch.rand(pixels * scale, generator=torch.Generator().manual_seed(pixels))
    small = shrink(line.expand(1, 1, scale, -1), scale)[0, 0, 0]
    assert torch.allclose(small, torch.tensor(by_definition(line.tolist(), pixels, 1 / scale)), atol=1e-6)
    large = enlarge(line.expand(1, 1, 1, -1), scale)[0, 0, 0]
    assert torch.allclose(large, torch.tensor(by_definition(line.tolist(), pixels * scale**2, scale)), atol=1e-6)


def test_height_and_width_and_channels_are_treated_alike() -> None:
    x = torch.rand(2, 3, 12, 24, generator=torch.Generator().manual_seed(0))
    for function in (shrink, enlarge):
        whole = function(x, 3)
        assert torch.allclose(whole.mT, function(x.mT, 3), atol=1e-6)
        assert torch.equal(whole[1:, 2:], function(x[1:, 2:], 3))


def test_a_flat_picture_stays_flat() -> None:
    flat = torch.full((1, 1, 8, 12), 0.3)
    assert torch.allclose(shrink(flat, 4), torch.tensor(0.3))
    assert torch.allclose(enlarge(flat, 4), torch.tensor(0.3))


def test_enlarging_has_gradients() -> None:
    x = torch.rand(1, 1, 3, 4, requires_grad=True)
    enlarge(x, 2).sum().backward()
    assert x.grad is not None
    assert float(x.grad.sum()) == pytest.approx(4 * 12, rel=1e-5)


def test_incomplete_pixels_are_cropped_from_x_and_target() -> None:
    x = torch.rand(2, 3, 13, 11)
    sample = Downsample(4)(Sample.of(x), Context(Noise(0, 0, 2)))
    assert sample.x.shape == (2, 3, 3, 2)
    assert torch.equal(sample.target, x[..., :12, :8])
    assert torch.allclose(sample.x * 255, (sample.x * 255).round(), atol=1e-4)
    assert sample.x.min() >= 0
    assert sample.x.max() <= 1


def test_a_scale_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput, match="scale is 1: 2, 3 or 4"):
        Downsample(1)
    with pytest.raises(BadInput, match="downsampling takes images"):
        Downsample(2)(Sample.of(torch.rand(2, 8)), Context(Noise(0, 0, 2)))
