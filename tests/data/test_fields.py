"""Kinds of fields: series are no images; labels and masks are neither scaled nor interpolated, from the file to x̃."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from isthmus import fit
from isthmus.corruptions import Affine, Crop, Zoom
from isthmus.data import base, open_data, with_target
from isthmus.errors import BadInput
from isthmus.fields import Field
from isthmus.types import Context, Losses, Noise, Sample

LABELS = np.array([0, 1, 7, 255])  # 255: a value that a loss may ignore


@pytest.fixture
def folders(tmp_path: Path, rng: np.random.Generator) -> tuple[Path, Path]:
    """Six color images of one size, and label maps with a palette: each image is 60 times its label."""
    for number in range(6):
        labels = np.kron(rng.integers(0, 4, (5, 6), np.uint8), np.ones((8, 8), np.uint8))
        for folder, image in (("x", Image.fromarray(np.repeat(60 * labels[..., None], 3, 2))), ("y", palette(labels))):
            (tmp_path / folder).mkdir(exist_ok=True)
            image.save(tmp_path / folder / f"{number}.png")
    return tmp_path / "x", tmp_path / "y"


def palette(labels: np.ndarray) -> Image.Image:
    image = Image.fromarray(labels)
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768, np.uint8).tobytes())
    return image


def test_kinds_follow_from_shape_and_option() -> None:
    x = np.random.default_rng(0).random((5, 6, 8), np.float32)
    assert open_data(x).fields["x"] == Field("image", (1, 6, 8), torch.float32, (0.0, 1.0))
    series = open_data(x, kind="series")
    assert series.fields["x"] == Field("series", (6, 8), torch.float32, (0.0, 1.0))
    assert torch.equal(series.floats(), torch.from_numpy(x))
    assert open_data(x[:, 0]).fields["x"].kind == "vector"
    assert open_data(x, like={"shape": [6, 8]}).shape == (6, 8), "a run on series reads series"
    with pytest.raises(BadInput, match="accepted are series N×C×T"):
        open_data(x[:, 0], kind="series")
    with pytest.raises(BadInput, match="did you mean 'series'"):
        open_data(x, kind="serie")


def test_a_module_of_series_is_trained_on_series() -> None:
    x = np.random.default_rng(0).random((20, 3, 16), np.float32)
    shapes: set[tuple[int, ...]] = set()

    class Own(nn.Module):
        shape = (3, 16)

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv1d(3, 3, 3, padding=1)

        def forward(self, sample: Sample, ctx: Context) -> Losses:
            shapes.add(tuple(sample.x.shape[1:]))
            return Losses({"reconstruction": (self.layer(sample.x) - sample.target).square().flatten(1).sum(1)})

    assert fit(Own(), x, epochs=1, quiet=True).finished == "done"
    assert shapes == {(3, 16)}


@pytest.mark.parametrize("budget", [2**30, 100])
def test_label_maps_are_read_as_stored(
    folders: tuple[Path, Path], budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "MEMORY_BUDGET", budget)
    data = with_target(open_data(folders[0]), open_data(folders[1], kind="labels"))
    sample = data.sample(np.arange(6))
    assert sample.target.dtype == torch.uint8
    assert sample.target.shape == (6, 1, 40, 48)
    assert torch.equal(sample.x[:, :1], 60 * sample.target)
    units = sample.in_units()
    assert units.target.dtype == torch.uint8
    assert torch.equal(units.x[:, :1], 60 * sample.target / 255)


@pytest.mark.parametrize("size", [{"size": 20}, {"cut": 16}, {"whole": 24}])
def test_label_maps_are_resized_without_interpolation(folders: tuple[Path, Path], size: dict[str, int]) -> None:
    data = with_target(open_data(folders[0], **size), open_data(folders[1], kind="labels", **size))
    sample = data.sample(np.arange(len(data)))
    assert sample.x.shape[2:] == sample.target.shape[2:]
    assert set(sample.target.unique().tolist()) <= {0, 1, 2, 3}
    alike = (sample.x[:, :1].float() / 60 - sample.target).abs() < 0.5  # images are blurred at the edges
    assert alike.float().mean() > 0.8


def test_arrays_of_labels_keep_their_values_and_sizes_change_them_by_kind() -> None:
    x = np.kron(LABELS[[[0, 1], [2, 3]]], np.ones((8, 8), np.int64))[None].repeat(3, 0)
    y = np.where(x == 255, -1, x)
    target = open_data(y, kind="labels")
    assert target.dtype == torch.int32
    data = open_data(with_target(open_data(x.astype(np.uint8)), target), size=12)
    sample = data.sample([0, 2])
    assert sample.x.shape == sample.target.shape == (2, 1, 12, 12)
    assert sample.target.unique().tolist() == [-1, 0, 1, 7]
    with pytest.raises(BadInput, match="labels are integers"):
        open_data(x.astype(np.float32), kind="labels")
    with pytest.raises(BadInput, match="but their truth is"):
        with_target(open_data(x.astype(np.uint8)), open_data(y[:, :8], kind="labels"))


def test_a_color_image_is_no_label_map(folders: tuple[Path, Path]) -> None:
    with pytest.raises(BadInput, match="one channel of integers, or a palette, is accepted"):
        open_data(folders[0], kind="labels")


@pytest.mark.parametrize("augment", [Affine(3.0), Zoom(0.5), Crop(20)], ids=lambda module: type(module).__name__)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_image_labels_and_conditions_are_transformed_alike(augment: Any, dtype: torch.dtype) -> None:
    labels = torch.from_numpy(np.kron(np.random.default_rng(0).choice(LABELS, (30, 1, 5, 6)), np.ones((8, 8)))).to(
        dtype
    )
    fields = {
        "x": Field("image", (1, 40, 48), torch.float32),
        "target": Field("labels", (1, 40, 48), dtype),
        "weight": Field("mask", (1, 40, 48), torch.float32),
        "scan": Field("image", (1, 40, 48), torch.float32),
        "rows": Field("vector", (3,), torch.float32),
    }
    rows, weight = torch.rand(30, 3), (labels > 0).float()
    x = labels.float() / 255
    sample = Sample(x, labels, weight, {"scan": 1 - x, "rows": rows}, fields)
    changed = augment(sample, Context(Noise(0, 0, 30), progress=0.0))
    assert changed.target.dtype == dtype
    assert set(changed.target.unique().tolist()) == set(LABELS.tolist()), "no value between two labels"
    assert not torch.equal(changed.x, x)
    alike = (changed.x - changed.target.float() / 255).abs()
    assert (alike < 0.02).float().mean() > 0.7, "but for edges, which only images blur"
    assert torch.equal(changed.weight, (changed.target > 0).float())
    assert torch.allclose(changed.condition["scan"], 1 - changed.x, atol=1e-5)
    assert torch.equal(changed.condition["rows"], rows)


def test_labels_at_another_size_are_transformed_by_the_same_map() -> None:
    labels = torch.from_numpy(np.kron(np.random.default_rng(0).choice(LABELS, (30, 1, 5, 6)), np.ones((8, 8)))).long()
    fields = {"x": Field("image", (1, 80, 96), torch.float32), "target": Field("labels", (1, 40, 48), torch.int64)}
    x = labels.repeat_interleave(2, 2).repeat_interleave(2, 3).float()
    changed = Zoom(0.5)(Sample(x, labels, fields=fields), Context(Noise(0, 0, 30), progress=0.0))
    small = nn.functional.avg_pool2d(changed.x, 2)
    assert ((small - changed.target).abs() < 1).float().mean() > 0.7
