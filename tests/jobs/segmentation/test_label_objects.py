"""Objects in masks: numbers, connected parts, and one mask for each object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers.labels import SIZE, boxes, opened
from PIL import Image

from isthmus.errors import BadInput
from isthmus.jobs.segmentation.classes import Classes
from isthmus.jobs.segmentation.labels.open import open_labels
from isthmus.metrics.segmentation import IGNORE


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int32"])
def test_numbers_of_objects_are_recognized(pictures: Path, dtype: str) -> None:
    folder = pictures.parent / "masks"
    folder.mkdir()
    for count, name in ((8, "a"), (10, "b"), (4, "c")):
        tifffile.imwrite(folder / f"{name}.tif", boxes(*range(1, count + 1), dtype=dtype), compression="zlib")
    labels = opened(folder, pictures)
    assert labels.has_instances
    assert labels.classes.kind == "instances"
    assert labels.understood.endswith(
        f" {8 * np.dtype(dtype).itemsize}-bit TIF with one number for each object (7 on average)"
    )
    found = labels.read("b.jpg")
    assert found.instances is not None
    assert found.instances.dtype == np.int32
    assert np.array_equal(found.instances, boxes(*range(1, 11)))
    assert np.array_equal(found.classes, found.instances > 0)
    assert opened(folder, pictures, as_classes=True).classes.values == list(range(11))


def test_classes_in_16_bits_are_no_objects(pictures: Path) -> None:
    folder = pictures.parent / "masks"
    folder.mkdir()
    for values, name in (((1, 1, 2), "a"), ((1, 2, 2, 3), "b"), ((1, 1), "c")):
        Image.fromarray(boxes(*values, dtype=np.uint16)).save(folder / f"{name}.png")
    labels = opened(folder, pictures)
    assert labels.classes.values == [0, 1, 2, 3]
    assert not labels.has_instances


def test_the_connected_parts_of_binary_masks_are_objects_on_request(save, pictures: Path) -> None:
    for name in "abc":
        save(boxes(255, 255, 255), f"masks/{name}.png")
    labels = opened(pictures.parent / "masks", pictures, instances=True)
    assert labels.has_instances
    assert labels.understood.endswith("the objects are connected parts (3 on average)")
    found = labels.read("a.jpg")
    assert np.array_equal(found.instances, boxes(1, 2, 3))
    assert np.array_equal(found.classes, boxes(1, 1, 1))


@pytest.mark.parametrize("layout", ["NAME/masks", "masks/NAME"])
def test_one_mask_for_each_object(save, rng, tmp_path: Path, layout: str) -> None:
    for name in ("s1", "s2"):
        save(rng.integers(0, 255, (*SIZE, 4), np.uint8), f"data/{name}/images/{name}.png")
        for number in range(5):
            one = boxes(*(255 if i == number else 0 for i in range(5)))
            place = "data" if layout == "NAME/masks" else "apart"
            save(one, f"{place}/{layout.replace('NAME', name)}/{number:04x}.png")
    folder = tmp_path / "data"
    masks = folder if layout == "NAME/masks" else tmp_path / "apart" / "masks"
    labels = open_labels(masks, ["s1/images/s1.png", "s2/images/s2.png"], folder)
    assert labels.understood.endswith("one mask for each object (5 objects on average)")
    assert labels.unmatched == ([], [])
    found = labels.read("s2/images/s2.png")
    assert np.array_equal(found.instances, boxes(1, 2, 3, 4, 5))
    assert np.array_equal(found.classes, boxes(1, 1, 1, 1, 1))


def test_numbers_of_objects_in_a_palette_on_request(pictures: Path) -> None:
    folder = pictures.parent / "SegmentationObject"
    folder.mkdir()
    for count, name in ((2, "a"), (3, "b"), (4, "c")):
        image = Image.fromarray(boxes(*range(1, count + 1), 255), "P")
        image.putpalette([number % 256 for number in range(768)])
        image.save(folder / f"{name}.png")
    labels = opened(folder, pictures, instances=True, ignore=255)
    assert labels.understood.endswith("palette PNG with one number for each object (3 on average)")
    found = labels.read("b.jpg")
    assert found.instances is not None
    assert found.instances.max() == 3
    assert (found.classes == IGNORE).sum() == 25


def test_large_numbers_of_objects_are_counted_anew(pictures: Path) -> None:
    folder = pictures.parent / "masks"
    folder.mkdir()
    for name in "abc":
        values = boxes(*range(1, 12), dtype=np.uint32)
        tifffile.imwrite(folder / f"{name}.tif", np.where(values > 0, values * 300_000_000 + ord(name), 0).astype("u4"))
    labels = opened(folder, pictures, classes=Classes([0, 1], kind="instances"), instances=True)
    found = labels.read("a.jpg")
    assert found.instances is not None
    assert np.array_equal(found.classes, boxes(*[1] * 11))
    assert np.unique(found.instances).tolist() == list(range(12))


def test_a_run_on_two_values_reads_numbers_of_objects(pictures: Path) -> None:
    folder = pictures.parent / "masks"
    folder.mkdir()
    for count, name in ((8, "a"), (10, "b"), (4, "c")):
        Image.fromarray(boxes(*range(1, count + 1), dtype=np.uint16)).save(folder / f"{name}.png")
    found = opened(folder, pictures, classes=Classes([0, 255])).read("a.jpg")
    assert np.array_equal(found.classes, boxes(*[1] * 8))


def test_the_ignored_value_of_a_run_holds_for_other_files(save, pictures: Path) -> None:
    folder = pictures.parent / "masks"
    folder.mkdir()
    for count, name in ((8, "a"), (10, "b"), (4, "c")):
        labels = boxes(*range(1, count + 1), dtype=np.uint16)
        labels[-1] = 65535
        Image.fromarray(labels).save(folder / f"{name}.png")
    trained = opened(folder, pictures, ignore=65535)
    assert trained.classes.kind == "instances"
    found = opened(folder, pictures, classes=trained.classes).read("b.jpg")
    assert found.instances is not None
    assert found.instances.max() == 10
    assert (found.classes[-1] == IGNORE).all()
    for name in "abc":
        save(boxes(1, 9), f"other/{name}.png")
    found = opened(pictures.parent / "other", pictures, classes=Classes([0, 1]), ignore=9).read("a.jpg")
    assert (found.classes == IGNORE).sum() == 25


@pytest.mark.parametrize("values", [(5, 977_000), (100_000, 200_000), (1, 2)])
def test_numbers_with_gaps_or_as_many_in_every_file_are_objects_on_request(
    pictures: Path, values: tuple[int, ...]
) -> None:
    folder = pictures.parent / "masks"
    folder.mkdir()
    for name in "abc":
        tifffile.imwrite(folder / f"{name}.tif", boxes(*values, dtype="uint32"))
    assert opened(folder, pictures).classes.kind == "values"
    labels = opened(folder, pictures, numbers=True)
    assert (labels.has_instances, labels.classes.kind) == (True, "instances")
    found = labels.read("a.jpg").instances
    assert found is not None
    assert len(np.unique(found)) == 3
    again = opened(folder, pictures, instances=True, classes=labels.classes)  # as a run of objects reads other files
    assert np.array_equal(again.read("a.jpg").instances, found)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_soft_masks_are_two_classes_on_request(pictures: Path, suffix: str) -> None:
    folder = pictures.parent / "masks"
    folder.mkdir()
    hard, noise = boxes(255) > 0, np.random.default_rng(0).integers(0, 12, boxes(255).shape)
    for name in "abc":
        Image.fromarray(np.where(hard, 255 - noise, noise).astype(np.uint8)).save(folder / f"{name}.{suffix}")
    with pytest.raises(BadInput, match="or soft=yes for two classes"):
        opened(folder, pictures)
    labels = opened(folder, pictures, soft=True)
    assert labels.classes.values == [0, 255]
    assert (labels.read("a.jpg").classes == hard).mean() > 0.98
    again = opened(folder, pictures, classes=Classes.of(labels.classes.state()))
    assert np.array_equal(again.read("b.jpg").classes, labels.read("b.jpg").classes)
