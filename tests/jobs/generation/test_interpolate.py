"""interpolate: lines, great circles and directions of labels between codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from isthmus import interpolate, load, reconstruct
from isthmus.data import open_data
from isthmus.errors import BadInput
from isthmus.jobs.generation.interpolate import attribute
from isthmus.jobs.generation.walk import spherical

RunOf = Callable[[str], Path]


@pytest.fixture
def folder(tmp_path: Path, digits: np.ndarray) -> Path:
    (tmp_path / "in").mkdir()
    Image.fromarray(digits[2][0]).save(tmp_path / "in" / "b.png")
    return tmp_path / "in"


@pytest.mark.parametrize("recipe", ["undercomplete", "conv", "variational"])
def test_the_ends_of_the_line_are_the_reconstructions(recipe: str, run_of: RunOf, digits: Any) -> None:
    line = interpolate(run_of(recipe), digits[3:4], digits[8:9], steps=7)
    assert line.shape == (7, 1, 8, 8)
    ends = load(run_of(recipe)).reconstruct(digits[[3, 8]])
    assert torch.allclose(line[[0, -1]], ends, rtol=0, atol=1e-6)


def test_codes_on_the_line_are_equally_far_apart(run_of: RunOf, digits: Any) -> None:
    model = load(run_of("linear"))
    a, b = model.encode(digits[[3, 8]])
    line = interpolate(model, digits[3:4], digits[8:9], steps=3)
    assert torch.allclose(line[1:2], model.decode((a + b)[None] / 2), atol=1e-6)


def test_an_end_may_be_a_file_or_an_item_of_a_set(run_of: RunOf, folder: Path) -> None:
    line = interpolate(run_of("undercomplete"), folder / "b.png", "digits:7", steps=2)
    assert line.shape == (2, 1, 8, 8)
    file, item = folder / "b.png", reconstruct(run_of("undercomplete"), "digits", split="all", first=8)[7:8]
    assert torch.allclose(line[1:], item, atol=1e-6)
    assert torch.allclose(line[:1], reconstruct(run_of("undercomplete"), file), atol=1e-6)


def test_between_two_discrete_codes_it_warns(run_of: RunOf, digits: Any) -> None:
    with pytest.warns(UserWarning, match="not in the codebook"):
        interpolate(run_of("quantized"), digits[:1], digits[1:2])


@pytest.mark.parametrize(
    ("a", "steps", "says"),
    [("digits:7", 1, "2 or more"), ("digits", 3, "choose one, as in digits:0"), ("digits:99999", 3, "from 0 to 1796")],
)
def test_an_end_that_is_none_is_refused(a: str, steps: int, says: str, run_of: RunOf) -> None:
    with pytest.raises(BadInput, match=says):
        interpolate(run_of("undercomplete"), a, "digits:1", steps=steps)


def test_codes_on_a_great_circle_keep_their_length_and_equal_angles() -> None:
    a, b = torch.tensor([[2.0, 0, 0]]), torch.tensor([[0.0, 2, 0]])
    path = spherical(a, b, torch.linspace(0, 1, 5))
    assert torch.allclose(path.norm(dim=1), torch.full((5,), 2.0))
    assert torch.allclose(path[2], torch.tensor([2**0.5, 2**0.5, 0]))
    cosines = (path[1:] * path[:-1]).sum(1) / 4
    assert torch.allclose(cosines, torch.full((4,), float(np.cos(np.pi / 8))), atol=1e-6)


@pytest.mark.parametrize("b", [[[1.0, 1]], [[-1.0, -1]], [[0.0, 0]]])
def test_a_great_circle_that_is_not_defined_is_a_line(b: list[list[float]]) -> None:
    a, other = torch.tensor([[1.0, 1]]), torch.tensor(b)
    path = spherical(a, other, torch.linspace(0, 1, 3))
    assert torch.isfinite(path).all()
    assert torch.allclose(path, torch.lerp(a, other, torch.tensor([[0.0], [0.5], [1]])), atol=1e-3)


def test_the_direction_of_a_label_is_the_difference_of_mean_codes(run_of: RunOf) -> None:
    model = load(run_of("linear"))
    data = open_data("digits")
    data = data.subset(data.parts["train"])
    codes = model.encode(data.floats(), unit=True)
    one, four = (codes[torch.from_numpy(data.labels == label)].mean(0) for label in (1, 4))
    assert torch.allclose(attribute(model, "4", "1", "digits")[0], four - one, atol=1e-4)
    start = model.encode(open_data("digits").floats([1]), unit=True)
    path = interpolate(model, "digits:1", add="4", subtract="1", data="digits", steps=3)
    assert torch.allclose(path[2:], model.decode(start + (four - one)[None]), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "one of them"),
        ({"b": "digits:2", "add": "4"}, "one of them"),
        ({"b": "digits:2", "subtract": "4"}, "goes with add"),
        ({"add": "forty", "data": "digits"}, "label"),
    ],
)
def test_a_path_without_one_end_is_refused(options: dict[str, Any], says: str, run_of: RunOf) -> None:
    with pytest.raises(BadInput, match=says):
        interpolate(run_of("linear"), "digits:1", **options)
