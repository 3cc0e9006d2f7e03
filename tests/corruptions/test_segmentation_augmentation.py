"""The augmentation of segmentation: labels keep their values, and move with the image."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy.ndimage import center_of_mass
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d
from torch.utils._python_dispatch import TorchDispatchMode

from isthmus import create, fit, load
from isthmus.autoencoder import Autoencoder
from isthmus.corruptions import SegmentationAugmentation, augmentation
from isthmus.errors import BadInput
from isthmus.fields import Field
from isthmus.registry import build, config_of, replace_child
from isthmus.types import Context, Noise, Sample

ONLY_MOVED = {"intensity": 0.0}
UNCHANGED = {"flips": "none", "rotation": 0.0, "scale": 1.0, "elastic": 0.0, "intensity": 0.0}


def blobs(count: int = 16, height: int = 96, width: int = 128) -> Tensor:
    """Label maps N×1×H×W of smooth regions of the classes 0, 3 and 7."""
    coarse = torch.rand(count, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    fine = interpolate(coarse, (height, width), mode="bicubic")
    return torch.tensor([0, 3, 7], dtype=torch.uint8)[(fine * 3).clamp(0, 2.99).long()]


def fields(labels: Tensor) -> dict[str, Field]:
    shape = tuple(labels.shape[2:])
    return {
        "x": Field("image", (1, *shape), torch.float32),
        "target": Field("labels", (1, *shape), torch.uint8),
        "objects": Field("labels", (1, *shape), torch.int32),
        "distance": Field("image", (1, *shape), torch.float32),
    }


def changed(
    labels: Tensor, step: int = 0, rows: slice | None = None, x: Tensor | None = None, **options: Any
) -> Sample:
    image = labels.float() / 8 if x is None else x
    conditions = {"objects": labels.int() * 1000, "distance": image}
    sample = Sample(image, labels, image, conditions, fields(labels))
    if rows is not None:
        sample = sample.each(lambda tensor: tensor[rows])
    return SegmentationAugmentation(**options)(sample, Context(Noise(3, step, len(labels), rows)))


def test_labels_keep_their_dtype_and_get_no_new_values() -> None:
    labels = blobs()
    sample = changed(labels, scale=2.0, elastic=0.1)
    assert sample.target.dtype == torch.uint8
    assert set(sample.target.unique().tolist()) == {0, 3, 7}
    assert sample.condition["objects"].dtype == torch.int32
    assert torch.equal(sample.condition["objects"], sample.target.int() * 1000)
    assert not torch.equal(sample.target, labels)


def test_image_and_labels_move_together() -> None:
    """A label map as image is the moved label map, but for pixels within half a pixel of an edge."""
    labels = blobs()
    sample = changed(labels, scale=1.0, **ONLY_MOVED)
    moved = sample.target.float()
    edge = -max_pool2d(-moved, 5, 1, 2) != max_pool2d(moved, 5, 1, 2)
    edge[:, :, [0, -1]] = edge[:, :, :, [0, -1]] = True  # an edge may be just past the frame
    difference = (sample.x - sample.target.float() / 8).abs()
    assert float((~edge).float().mean()) > 0.3
    assert float(difference[~edge].max()) < 1e-4
    assert float(difference[edge].max()) > 0.1  # the image is interpolated there
    assert torch.equal(sample.x, sample.weight)
    assert torch.equal(sample.x, sample.condition["distance"])


def test_the_center_of_a_disc_is_where_its_label_is() -> None:
    rows, columns = torch.meshgrid(torch.arange(96), torch.arange(128), indexing="ij")
    disc = ((rows - 40) ** 2 + (columns - 70) ** 2 < 15**2).to(torch.uint8).expand(16, 1, -1, -1).contiguous()
    sample = changed(disc, **ONLY_MOVED)
    centers = set()
    for image, label in zip(sample.x[:, 0].numpy(), sample.target[:, 0].numpy(), strict=True):
        assert np.abs(np.subtract(center_of_mass(image), center_of_mass(label))).max() < 0.5
        centers.add(tuple(np.round(center_of_mass(label))))
    assert len(centers) > 10


def test_a_rotation_keeps_shapes_in_images_that_are_not_square() -> None:
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(128), indexing="ij")
    disc = ((rows - 31.5) ** 2 + (columns - 63.5) ** 2 < 20**2).to(torch.uint8).expand(16, 1, -1, -1).contiguous()
    same = changed(disc, scale=1.0, elastic=0.0, **ONLY_MOVED).target
    center = (same != disc)[:, :, 10:-10, 42:-42]  # around it there may be a mirrored disc
    assert int(center.sum((1, 2, 3)).max()) < 60  # of 1257 pixels: those on the edge


@pytest.mark.parametrize("flips", ["both", "horizontal", "none"])
def test_flips_and_quarter_turns_alone_are_exact(flips: str) -> None:
    square = blobs(64, 32, 32)
    options = {**UNCHANGED, "flips": flips, "rotation": 180.0 if flips == "both" else 0.0}
    sample = changed(square, **options)
    still = (sample.x - sample.target.float() / 8).abs().amax((1, 2, 3)) < 1e-4
    assert still.float().mean() > (0.15 if flips == "both" else 0.99)
    met = set()
    for before, after in zip(square[still, 0], sample.target[still, 0], strict=True):
        ways = [torch.rot90(each, turn) for each in (before, before.flip(1)) for turn in range(4)]
        same = [torch.equal(way, after) for way in ways]
        assert any(same)
        met.add(same.index(True))
    assert met == {"both": set(range(8)), "horizontal": {0, 4}, "none": {0}}[flips] or (
        flips == "both" and len(met) > 4
    )


def test_without_strength_or_options_nothing_changes() -> None:
    labels = blobs()
    sample = changed(labels, **UNCHANGED)
    assert torch.equal(sample.target, labels)
    assert torch.allclose(sample.x, labels / 8, atol=1e-4)
    weak = changed(labels, strength=0.0, flips="none", rotation=0.0)
    assert torch.equal(weak.target, labels)


def test_pixels_from_past_the_edge_are_mirrored_or_get_the_label_that_is_given() -> None:
    labels = blobs()
    mirrored, marked = (changed(labels, scale=1.5, outside=outside) for outside in (None, 255))
    past = marked.target == 255
    assert 0.02 < float(past.float().mean()) < 0.6
    assert torch.equal(marked.target[~past], mirrored.target[~past])
    assert torch.equal(marked.x, mirrored.x)
    assert torch.equal(marked.condition["objects"], mirrored.condition["objects"])  # 255 is an object there
    assert set(mirrored.target[past].unique().tolist()) == {0, 3, 7}


def test_displacements_are_smooth() -> None:
    ramp = torch.arange(96.0).view(-1, 1) / 96 + torch.zeros(16, 1, 96, 128)
    labels = torch.zeros(16, 1, 96, 128, dtype=torch.uint8)
    moved = changed(labels, x=ramp, **{**UNCHANGED, "elastic": 0.02}).x[:, :, 8:-8, 8:-8] * 96
    shift = moved - ramp[:, :, 8:-8, 8:-8] * 96
    deformed = shift.abs().amax((1, 2, 3)) > 1e-2
    assert 0.5 < deformed.float().mean() < 0.95  # the others keep their sharpness
    assert 0.5 < float(shift[deformed].std()) < 2.5  # .02 of 96 pixels is 1.9 at the points of the grid
    assert float((shift[:, :, 1:] - shift[:, :, :-1]).abs().max()) < 0.3


def test_intensity_changes_x_alone_and_differs_between_items() -> None:
    labels = blobs()
    image = torch.full((16, 1, 96, 128), 0.5)
    sample = changed(labels, x=image, **{**UNCHANGED, "intensity": 0.2})
    level = sample.x.mean((1, 2, 3))
    assert torch.equal(sample.target, labels)
    assert torch.equal(sample.condition["distance"], changed(labels, x=image, **UNCHANGED).condition["distance"])
    assert 0.05 < float(level.std()) < 0.2
    assert float((sample.x - per_image(level, sample.x)).abs().max()) < 1e-5
    own = SegmentationAugmentation()(Sample.of(image), Context(Noise(0, 0, 16)))
    assert own.target is own.x


def per_image(values: Tensor, x: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1).expand_as(x)


def test_noise_has_a_random_strength() -> None:
    labels, image = blobs(), torch.full((16, 1, 96, 128), 0.5)
    sigma = changed(labels, x=image, **{**UNCHANGED, "noise": 0.1}).x.std((1, 2, 3))
    assert float(sigma.max()) < 0.105
    assert float(sigma.min()) < 0.04 < 0.07 < float(sigma.max())


def test_an_item_is_the_same_alone_and_in_a_batch_and_after_a_resume() -> None:
    labels = blobs(11)
    options = {"noise": 0.05, "elastic": 0.05}
    together = changed(labels, step=5, **options)
    parts = [changed(labels, step=5, rows=rows, **options) for rows in (slice(0, 4), slice(4, 5), slice(5, 11))]
    torch.manual_seed(99)
    for again in (parts, [changed(labels, step=5, **options)]):
        assert torch.equal(torch.cat([part.x for part in again]), together.x)
        assert torch.equal(torch.cat([part.target for part in again]), together.target)
        assert torch.equal(torch.cat([part.weight for part in again]), together.weight)
    assert not torch.equal(changed(labels, step=6, **options).target, together.target)
    made = build(json.loads(json.dumps(config_of(SegmentationAugmentation(**options)))))
    x = labels.float()
    same = [module(Sample.of(x), Context(Noise(0, 1, 11))).x for module in (made, SegmentationAugmentation(**options))]
    assert torch.equal(*same)


def test_a_training_that_is_continued_equals_one_that_was_not(tmp_path: Path) -> None:
    pictures = (blobs(24, 16, 16).float() / 8).numpy()
    options = {
        "batch_size": 8,
        "device": "cpu",
        "quiet": True,
        "validation": 0.0,
        "test": 0.0,
        "schedule": "constant",
        "warmup": 0.0,
    }

    def model() -> Autoencoder:
        made = create("conv", shape=(1, 16, 16), code="2x4x4", channels=(4, 8), augment="segmentation", seed=0)
        replace_child(made, "augment", SegmentationAugmentation(noise=0.02, elastic=0.05))
        return made

    straight = fit(model(), pictures, epochs=4, **options)
    fit(model(), pictures, epochs=2, out=tmp_path / "run", **options)
    continued = fit(model(), pictures, epochs=4, out=tmp_path / "run", resume=True, **options)
    weights = [run.model.state_dict() for run in (straight, continued)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    loaded = load(tmp_path / "run").augment
    assert isinstance(loaded, SegmentationAugmentation)
    assert loaded.elastic == 0.05


def test_an_image_is_interpolated_once_and_the_map_computed_once() -> None:
    class Counted(TorchDispatchMode):
        calls: ClassVar[Counter[str]] = Counter()

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.calls[func.__name__.split(".")[0]] += 1
            return func(*args, **(kwargs or {}))

    labels = blobs(8)
    sample = Sample(labels.float(), labels, 1.0, None, fields(labels))
    with Counted() as counted:
        SegmentationAugmentation()(sample, Context(Noise(0, 0, 8)))
    assert counted.calls["grid_sampler_2d"] == counted.calls["upsample_bicubic2d"] == counted.calls["gather"] == 1
    assert counted.calls["pow"] == 1
    assert sum(counted.calls.values()) < 150


def test_items_other_than_images_stay() -> None:
    x = torch.rand(5, 7)
    assert SegmentationAugmentation()(Sample.of(x), Context(Noise(0, 0, 5))).x is x


def test_the_text_form_and_bad_options() -> None:
    assert isinstance(augmentation("segmentation"), SegmentationAugmentation)
    assert augmentation("segmentation:0.5").elastic == 0.01
    with pytest.raises(BadInput, match="flips is vertical: both, horizontal, none are accepted"):
        SegmentationAugmentation(flips="vertical")
    with pytest.raises(BadInput, match=r"scale is 0\.5: 1 or more is accepted"):
        SegmentationAugmentation(scale=0.5)
    with pytest.raises(BadInput, match="elastic is -1: 0 or more is accepted"):
        SegmentationAugmentation(elastic=-1)
    with pytest.raises(BadInput, match="intensity is 1"):
        SegmentationAugmentation(intensity=1)
