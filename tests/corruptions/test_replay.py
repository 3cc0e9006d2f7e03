"""Every corruption is replayable to the bit, however a batch is split."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from isthmus.corruptions import (
    CORRUPTIONS,
    Clipped,
    Corruption,
    Crop,
    Downsample,
    Watermark,
    corruption,
)
from isthmus.errors import BadInput
from isthmus.registry import build, config_of
from isthmus.types import Context, Noise, Sample

JOINED = [
    "masking:0.3+gaussian:0.1",
    "gaussian:0-0.2,jpeg:10-90,poisson:5-50",
    "gaussian:0.1+holes:boxes",
    "holes:text,holes:pixels",
    "watermark+jpeg:60-95",
    "gaussian:0.1+shrink:3",
    "gaussian:0.1+neighbors",
]
ALL = [*CORRUPTIONS, *JOINED]


def smooth(count: int, channels: int, height: int = 36, width: int = 48) -> Tensor:
    """Pictures as a file of 8 bits holds them."""
    coarse = torch.rand(count, channels, 4, 4, generator=torch.Generator().manual_seed(1))
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return (fine * 255).round() / 255


COLOR, GRAY = smooth(11, 3), smooth(6, 1)


def made(text: str) -> Corruption:
    found = corruption(text)
    assert found is not None
    return found


def damaged(module: Corruption, x: Tensor = COLOR, seed: int = 0, step: int = 0, rows: slice | None = None) -> Sample:
    part = x if rows is None else x[rows]
    return module(Sample.of(part), Context(Noise(seed, step, len(x), rows)))


@pytest.mark.parametrize("text", ALL)
def test_seed_and_step_say_it_all(text: str) -> None:
    module = made(text)
    first = damaged(module, seed=3, step=7).x
    torch.manual_seed(99)
    assert torch.equal(damaged(module, seed=3, step=7).x, first)
    assert torch.equal(damaged(made(text), seed=3, step=7).x, first)
    if not isinstance(module, (Downsample, Clipped)):  # which draw nothing
        assert not torch.equal(damaged(module, seed=3, step=8).x, first)
        assert not torch.equal(damaged(module, seed=4, step=7).x, first)


@pytest.mark.parametrize("x", [COLOR, GRAY], ids=["color", "gray"])
@pytest.mark.parametrize("text", ALL)
def test_an_item_meets_the_same_damage_however_the_batch_is_split(text: str, x: Tensor) -> None:
    module = made(text)
    whole = damaged(module, x, step=5)
    slices = [slice(0, 4), slice(4, 5), slice(5, len(x))]
    parts = [damaged(module, x, step=5, rows=rows) for rows in slices]
    assert torch.equal(torch.cat([part.x for part in parts]), whole.x)
    assert torch.equal(torch.cat([part.target for part in parts]), whole.target)
    if isinstance(whole.weight, Tensor):
        assert torch.equal(torch.cat([torch.as_tensor(part.weight) for part in parts]), whole.weight)
    for name, value in whole.condition.items():
        assert torch.equal(torch.cat([part.condition[name] for part in parts]), value)


@pytest.mark.parametrize("text", ALL)
def test_the_condition_has_one_row_per_item_and_the_target_is_unchanged(text: str) -> None:
    x, side = COLOR.clone(), {"age": torch.arange(11)}
    module = made(text)
    sample = module(Sample(x, x, 2.0, side), Context(Noise(0, 0, 11)))
    assert torch.equal(x, COLOR)  # not in place
    if module.clean:
        assert torch.equal(sample.target, COLOR)
        weight = 2.0 * sample.condition["mask"] if module.extra else torch.tensor(2.0)  # known pixels are not scored
        assert torch.equal(torch.as_tensor(sample.weight), weight)
    assert torch.equal(sample.condition["age"], side["age"])
    assert all(len(value) == 11 for value in sample.condition.values())
    assert not any(value.isnan().any() for value in (sample.x, *sample.condition.values()))


@pytest.mark.parametrize("text", ALL)
def test_it_declares_its_scale(text: str) -> None:
    module = made(text)
    for x in (COLOR, GRAY):
        n, channels = x.shape[:2]
        changed = damaged(module, x)
        if module.clean:
            assert changed.target.shape == x.shape
        height, width = changed.target.shape[2:]
        assert changed.x.shape == (n, channels + module.extra, height // module.scale, width // module.scale)
        assert changed.x.dtype == x.dtype


@pytest.mark.parametrize("text", ALL)
def test_the_smallest_picture_is_damaged_or_refused_in_one_line(text: str) -> None:
    module, x = made(text), torch.rand(5, 3, 1, 1)
    if module.scale > 1 or not module.clean:
        with pytest.raises(BadInput, match=r"too small to downsample|no cells of 2×2|too small for a blind spot"):
            damaged(module, x)
    else:
        assert damaged(module, x).x.shape == (5, 3 + module.extra, 1, 1)


@pytest.mark.parametrize("text", ALL)
def test_real_damage_is_not_damaged_again(text: str) -> None:
    module = made(text)
    given = module.prepare_input(COLOR)
    assert torch.equal(given[:, :3], COLOR)
    assert given.shape[1] == 3 + module.extra
    assert not given[:, 3:].any()
    with pytest.raises(BadInput, match="weather: this model takes an image only"):
        module.prepare_input(COLOR, weather=COLOR)


@pytest.mark.parametrize("text", ALL)
def test_a_config_makes_the_same_one_again(text: str) -> None:
    module = made(text)
    again = build(json.loads(json.dumps(config_of(module))))
    assert torch.equal(damaged(again, step=2).x, damaged(module, step=2).x)


@pytest.mark.parametrize(
    "text", ["gaussian", "poisson", "jpeg", "holes", "watermark", "masking,gaussian", "neighbors", "blind-spot"]
)
def test_it_is_the_same_in_compiled_code(text: str) -> None:
    module = made(text)
    compiled = torch.compile(module, backend="eager")
    assert torch.equal(damaged(compiled, step=2).x, damaged(module, step=2).x)


def test_every_corruption_has_a_name_and_a_config() -> None:
    from isthmus.corruptions.base import Compose, OneOf

    named = {kind.__name__ for kind in (*CORRUPTIONS.values(), Compose, OneOf)}
    assert named == {kind.__name__ for kind in Corruption.__subclasses__() if kind.__module__.startswith("isthmus.")}


@pytest.mark.parametrize("module", [Crop(20), Watermark(tell=True)], ids=["crop", "watermark that tells"])
def test_target_changing_corruptions_split_alike(module: torch.nn.Module) -> None:
    def changed(rows: slice) -> Sample:
        return module(Sample.of(COLOR[rows]), Context(Noise(0, 3, 11, rows)))

    whole, parts = changed(slice(0, 11)), [changed(slice(0, 6)), changed(slice(6, 11))]
    assert torch.equal(torch.cat([part.x for part in parts]), whole.x)
    assert torch.equal(torch.cat([part.target for part in parts]), whole.target)
