"""Masks as images: files, names, sizes and values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers.labels import SIZE, as_read, boxes, opened
from PIL import Image

from isthmus.data.find_images import find_pictures
from isthmus.errors import BadInput
from isthmus.jobs.segmentation.classes import Classes
from isthmus.jobs.segmentation.labels.open import open_labels
from isthmus.metrics.segmentation import IGNORE


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "npy"])
@pytest.mark.parametrize(("values", "dtype"), [((0, 128, 255), "uint8"), ((205, 420, 500), "uint16")])
def test_any_values_in_any_format(save, pictures: Path, suffix: str, values: tuple[int, ...], dtype: str) -> None:
    if suffix == "bmp" and dtype == "uint16":
        pytest.skip("BMP has 8 bits")
    maps = {name: np.random.default_rng(i).choice(np.array(values, dtype), SIZE) for i, name in enumerate("abc")}
    folder = pictures.parent / "masks"
    for name, labels in maps.items():
        folder.mkdir(exist_ok=True)
        if suffix == "npy":
            np.save(folder / f"{name}.npy", labels)
        elif suffix == "tif":
            tifffile.imwrite(folder / f"{name}.tif", labels, compression="zlib")
        else:
            Image.fromarray(labels).save(folder / f"{name}.{suffix}")
    labels = opened(folder, pictures)
    assert labels.classes.values == list(values)
    assert labels.classes.pixels[0] == sum(int((one == values[0]).sum()) for one in maps.values())
    assert not labels.has_instances
    for name, expected in maps.items():
        assert np.array_equal(as_read(labels, f"{name}.jpg"), expected)


@pytest.mark.parametrize("ending", ["", "_mask", "_masks", "_label", "_labels", "_gt", "_GT", "_seg", "_cp_masks"])
def test_endings_in_a_folder_of_their_own_and_among_the_pictures(save, pictures: Path, ending: str) -> None:
    for name in "abc":
        save(boxes(255, 255), f"masks/{name}{ending}.png")
        save(boxes(255, 255), f"images/{name}{ending}.png")
    apart = open_labels(pictures.parent / "masks", ["a.jpg", "b.jpg", "c.jpg"], pictures)
    among = open_labels(pictures, ["a.jpg", "b.jpg", "c.jpg"], pictures)
    for labels in (apart, among):
        assert labels.matched == ["a.jpg", "b.jpg", "c.jpg"]
        assert labels.unmatched == ([], [])
        assert as_read(labels).max() == 255
    if ending:  # a mask that is listed as a picture is none
        assert opened(pictures, pictures).matched == ["a.jpg", "b.jpg", "c.jpg"]


def test_of_two_files_of_one_name_the_one_of_few_values_is_the_mask(save, rng, tmp_path: Path) -> None:
    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", rng.integers(0, 2**16, SIZE, np.uint16))
        save(boxes(255, 255), f"{name}.png")
    save(boxes(255), "c.png")
    labels = opened(tmp_path, tmp_path)
    assert labels.matched == ["a.tif", "b.tif"]
    assert labels.unmatched == (["c.png"], [])
    assert as_read(labels, "a.tif").max() == 255


def test_two_files_of_one_name_that_do_not_differ_in_kind(save, rng, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", rng.integers(0, 255, SIZE, np.uint8))
    save(rng.integers(0, 255, SIZE, np.uint8), "a.png")
    with pytest.raises(
        BadInput, match=r"a\.png and a\.tif may be picture and mask, but neither has few values; .*_mask"
    ):
        opened(tmp_path, tmp_path)
    tifffile.imwrite(tmp_path / "a.tif", boxes(255))
    save(boxes(255), "a.png")
    with pytest.raises(BadInput, match="both have few values"):
        opened(tmp_path, tmp_path)


@pytest.mark.parametrize("folder", ["labels", "label", "masks"])
def test_a_folder_of_pictures_and_masks_of_the_same_names(save, rng, tmp_path: Path, folder: str) -> None:
    for name in "ab":
        save(rng.integers(0, 255, (*SIZE, 3), np.uint8), f"images/{name}.png")
        save(boxes(255), f"{folder}/{name}.png")
    labels = opened(tmp_path, tmp_path)
    assert labels.matched == ["images/a.png", "images/b.png"]
    assert labels.unmatched == ([], [])
    assert as_read(labels, "images/a.png").max() == 255


def test_of_two_files_of_one_name_the_lossless_one_is_the_mask(save, pictures: Path) -> None:
    for name in "ab":
        save(boxes(255), f"images/{name}.png")
    labels = opened(pictures, pictures)
    assert labels.matched == ["a.jpg", "b.jpg"]
    assert labels.unmatched == (["c.jpg"], [])
    save(boxes(128), "images/a_mask.png")
    assert as_read(opened(pictures, pictures)).max() == 128


def test_a_photo_among_the_masks_is_named(save, rng, pictures: Path) -> None:
    save(boxes(255), "masks/a.png")
    save(rng.integers(0, 255, (*SIZE, 3), np.uint8), "masks/b.png")
    with pytest.raises(BadInput, match=r"masks/b\.png: masks of \d+ colors"):
        opened(pictures.parent / "masks", pictures)


def test_nested_folders_and_endings_of_pictures(save, rng, tmp_path: Path) -> None:
    for sample in ("one", "two"):
        save(rng.integers(0, 255, SIZE, np.uint8), f"data/{sample}/images/0_img.png")
        save(boxes(1, 2, 2), f"data/{sample}/labels/0_masks.png")
    labels = open_labels(tmp_path / "data", ["one/images/0_img.png", "two/images/0_img.png"], tmp_path / "data")
    assert labels.source.file("two/images/0_img.png").endswith("two/labels/0_masks.png")
    assert labels.unmatched == ([], [])


def test_unmatched_files_are_listed(save, pictures: Path) -> None:
    for name in "axy":
        save(boxes(255), f"masks/{name}.png")
    labels = opened(pictures.parent / "masks", pictures)
    assert labels.unmatched == (["b.jpg", "c.jpg"], ["x.png", "y.png"])
    assert any("pictures without labels, which are left out: 2 (b.jpg, c.jpg)" in note for note in labels.notes)
    assert any("label files without a picture: 2 (x.png, y.png)" in note for note in labels.notes)
    with pytest.raises(BadInput, match=r"b\.jpg: has no labels"):
        labels.read("b.jpg")


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_labels_are_turned_as_their_picture_is(save, rng, tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(rng.integers(0, 255, (*SIZE, 3), np.uint8), "images/a.jpg", exif=exif)
    drawn = boxes(1, 2, 3)
    save(drawn, "with/a.png", exif=exif)
    upright = np.array(Image.fromarray(drawn))
    upright = {1: upright, 3: upright[::-1, ::-1], 6: np.rot90(upright, -1), 8: np.rot90(upright)}[orientation]
    for folder, array in (("with", None), ("upright", upright), ("stored", drawn if orientation > 4 else upright)):
        if array is not None:
            save(np.ascontiguousarray(array), f"{folder}/a.png")
        labels = open_labels(tmp_path / folder, ["a.jpg"], tmp_path / "images")
        assert np.array_equal(labels.classes.decode(labels.read("a.jpg").classes), upright), folder


def test_a_run_reads_other_files_with_its_own_classes(save, pictures: Path) -> None:
    for name in "abc":
        save(boxes(5, 9), f"masks/{name}.png")
        save(boxes(9) if name != "b" else boxes(7, 7), f"other/{name}.png")
    classes = Classes([0, 5, 9], ["ground", "crack", "hole"])
    labels = opened(pictures.parent / "masks", pictures, classes=classes)
    assert labels.classes == replace(classes, pixels=[2010, 75, 75, 0], files=[3, 3, 3, 0])
    with pytest.raises(BadInput, match=r"b.png: value 7 in 50 pixels is no class of the run; accepted are 0, 5, 9"):
        opened(pictures.parent / "other", pictures, classes=classes)
    left = opened(pictures.parent / "other", pictures, classes=classes, unknown="ignore")
    assert (left.read("b.jpg").classes == IGNORE).sum() == 50
    assert left.read("a.jpg").classes.max() == 2
    assert (left.classes.pixels, left.classes.files) == ([2060, 0, 50, 50], [3, 0, 2, 1])


def test_real_data(real_data: Path) -> None:
    nuclei = real_data / "dsb2018_256"
    names = find_pictures(nuclei / "images")[0][:40]
    labels = open_labels(nuclei / "labels", names, nuclei / "images")
    assert labels.has_instances
    assert "16-bit PNG with one number for each object" in labels.understood
    assert len(labels.unmatched[1]) == 334 - 40
    cells = real_data / "isbi2012_em" / "train"
    labels = open_labels(cells / "label", find_pictures(cells / "image")[0], cells / "image")
    assert labels.classes.values == [0, 255]
    assert labels.classes.pixels[:2] == [1727250, 6137070]
    tiles = real_data / "magnetic_tile" / "MT_Crack" / "Imgs"
    names = [name for name in find_pictures(tiles)[0] if name.endswith(".jpg")]
    with pytest.raises(BadInput, match="soft edges"):
        open_labels(tiles, names, tiles)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32"])
def test_tiffs_of_every_usual_compression(save, pictures: Path, compression: str, dtype: str) -> None:
    for name in "abc":
        save(boxes(3, 120, 77, dtype=dtype), f"masks/{name}.tif", compression=compression)
    labels = opened(pictures.parent / "masks", pictures)
    assert np.array_equal(as_read(labels), boxes(3, 120, 77))
