"""Arrays, .npy and .npz files and TIFF stacks as training data, and as input of a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from helpers.discs import NET, scene, write_set

import isthmus
from isthmus.data.cache import cache_limit
from isthmus.data.download import cache_folder
from isthmus.errors import BadInput
from isthmus.jobs.segmentation.item_folders import folder_of_items
from isthmus.jobs.segmentation.unpack import as_folders
from isthmus.media.label_image import read_label_image

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore::isthmus.errors.Note")]
COUNT, SIZE = 5, (48, 64)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.stack([scene(number)[0] for number in range(COUNT)])


@pytest.fixture(scope="module")
def masks() -> np.ndarray:
    return np.stack([scene(number)[1] > 0 for number in range(COUNT)])


@pytest.fixture(scope="module")
def bands(images: np.ndarray) -> np.ndarray:
    """N×H×W×6, of which each channel is another."""
    return np.stack([images // (1 + number) for number in range(6)], -1)


def train(data: Any, masks: Any, out: Path, **keys: Any) -> Any:
    how = NET | {"epochs": 0.2, "least_steps": 0, "validation": 0.2} | keys
    return isthmus.train("segment", data, masks=masks, out=out, **how)


def stack(path: Path, pages: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path, pages, photometric="minisblack", **options)
    return path


@pytest.mark.parametrize("kind", ["array", "tensor", "npy", "npz", "stack"])
def test_every_kind_trains_as_the_folder_of_its_items(
    kind: str, images: np.ndarray, masks: np.ndarray, tmp_path: Path
) -> None:
    values = masks.astype(np.uint8) * 255
    data: Any = {"array": (images, masks), "tensor": (torch.from_numpy(images), torch.from_numpy(masks))}.get(kind)
    if kind == "npy":
        data = tmp_path / "x.npy", tmp_path / "y.npy"
        np.save(data[0], images)
        np.save(data[1], values)
    elif kind == "npz":
        data = tmp_path / "both.npz", None
        np.savez(data[0], x=images, y=values)
    elif kind == "stack":
        data = stack(tmp_path / "volume.tif", images), stack(tmp_path / "labels.tif", values)
    run = train(*data, tmp_path / "run")
    write_set(tmp_path, COUNT)
    of_folder = train(tmp_path / "x", tmp_path / "y", tmp_path / "other")
    assert run.data.shape == (1, 32, 32)
    assert torch.equal(run.data.batch(range(len(run.data))), of_folder.data.batch(range(len(of_folder.data))))
    figures = isthmus.evaluate(run.path, data[0], masks=data[1])
    assert (figures["split"], figures["items"]) == ("validation", 1)
    assert figures["dice"] == isthmus.evaluate(run.path)["dice"]


@pytest.mark.parametrize("axes", ["NHWC", "NCHW"])
def test_arrays_of_many_channels(
    axes: str, images: np.ndarray, bands: np.ndarray, masks: np.ndarray, tmp_path: Path
) -> None:
    array = bands if axes == "NHWC" else np.moveaxis(bands, -1, 1)
    model = train(array, masks, tmp_path / "run").model
    assert model.shape == (6, 32, 32)
    labels = model.segment(array)
    assert labels.shape == masks.shape
    assert np.array_equal(model.segment(array[2]), labels[2])
    file = stack(tmp_path / "one.tif", bands[2], planarconfig="contig")
    assert np.array_equal(model.segment(file), labels[2])
    np.save(tmp_path / "all.npy", array)
    assert np.array_equal(model.segment(tmp_path / "all.npy"), labels)
    out = isthmus.segment(tmp_path / "run", tmp_path / "all.npy", out=tmp_path / "out")
    assert np.array_equal(read_label_image(out / "002.png").values, 255 * (labels[2] > 0))
    with pytest.raises(BadInput, match=r"5×48×64 of uint8, but this run takes 6 channels: H×W×6, 6×H×W and several"):
        model.segment(images)


def test_pages_that_are_channels(bands: np.ndarray, masks: np.ndarray, tmp_path: Path) -> None:
    """By the metadata of ImageJ, if masks are as many; or because there is one mask."""
    labels = stack(tmp_path / "labels.tif", masks.astype(np.uint8))
    pages = np.moveaxis(bands, -1, 1)
    tifffile.imwrite(tmp_path / "volume.tif", pages, imagej=True, metadata={"axes": "ZCYX"})
    run = train(tmp_path / "volume.tif", labels, tmp_path / "run")
    assert run.model.shape == (6, 32, 32)
    assert run.data.source["pictures"] == COUNT
    isthmus.train("segment", tmp_path / "volume.tif", out=run.path, resume=True, quiet=True)
    found = run.model.segment(tmp_path / "volume.tif")
    assert np.array_equal(found, run.model.segment(bands))
    out = isthmus.segment(run.path, tmp_path / "volume.tif", out=tmp_path / "out")
    assert np.array_equal(read_label_image(out / "003.png").values, 255 * (found[3] > 0))
    tifffile.imwrite(tmp_path / "slices.tif", bands[..., 0], imagej=True)  # whose slices are called channels
    assert train(tmp_path / "slices.tif", labels, tmp_path / "other").data.source["pictures"] == COUNT
    one = as_folders(stack(tmp_path / "channels.tif", pages[0]), stack(tmp_path / "label.tif", masks[0].astype("u1")))
    assert tifffile.imread(one[0] / "000.tif").shape == (*SIZE, 6)


def test_a_stack_becomes_a_stack_of_label_maps(images: np.ndarray, masks: np.ndarray, tmp_path: Path) -> None:
    pages = images.astype(np.uint16) * np.arange(1, COUNT + 1, dtype=np.uint16)[:, None, None]  # each brighter
    model = train(pages, masks, tmp_path / "run").model
    path = stack(tmp_path / "volume.tif", pages)
    labels = model.segment(path)
    assert np.array_equal(labels, np.stack([model.segment(page) for page in pages]))
    out = isthmus.segment(tmp_path / "run", path, out=tmp_path / "out")
    assert np.array_equal(tifffile.imread(out / "volume.tif"), labels)


@pytest.mark.parametrize(("where", "given"), [("y", "y"), ("x", None), ("x", "x"), ("x/masks", "x/masks")])
def test_stacks_in_folders_are_paired_page_by_page(
    where: str, given: str | None, images: np.ndarray, masks: np.ndarray, tmp_path: Path
) -> None:
    """Beside an image of one page; with the masks apart, among the images, or below them."""
    values = masks.astype(np.uint8) * 255
    for folder in ("x", where):
        (tmp_path / folder).mkdir(exist_ok=True)
    stack(tmp_path / "x" / "Cells.tif", images[:3])
    stack(tmp_path / where / "Cells_mask.tif", values[:3])
    stack(tmp_path / "x" / "one.tif", images[3])
    stack(tmp_path / where / "one_mask.tif", values[3])
    run = train(tmp_path / "x", given and tmp_path / given, tmp_path / "run")
    names = {name.partition("#")[0] for name in run.data.names}
    assert names == {"Cells-000.tif", "Cells-001.tif", "Cells-002.tif", "one.tif"}
    pixels = run.data.source["labels"]["classes"]["pixels"]
    assert pixels[:2] == [int((values[:4] == value).sum()) for value in (0, 255)]
    figures = isthmus.evaluate(run.path, tmp_path / "x", masks=given and tmp_path / given)
    assert (figures["split"], figures["items"]) == ("validation", 1)
    assert isthmus.evaluate(run.path)["dice"] == figures["dice"]


def test_a_stack_is_compared_with_the_stack_of_its_masks(images: np.ndarray, masks: np.ndarray, tmp_path: Path) -> None:
    run = train(images, masks, tmp_path / "run").path
    path, truth = stack(tmp_path / "volume.tif", images), stack(tmp_path / "labels.tif", masks.astype(np.uint8))
    rows: list[dict[str, Any]] = []
    out = isthmus.segment(run, path, masks=truth, out=tmp_path / "out", each=rows.append)
    mean = isthmus.evaluate(run, path, masks=truth, split="all")["dice"]
    assert np.mean([row["dice"] for row in rows]) == pytest.approx(mean)
    assert (out / "index.html").is_file()


@pytest.mark.parametrize(
    ("data", "labels", "text"),
    [
        (np.zeros((4, 8, 8)), np.zeros((5, 8, 8), int), "images: 4×8×8, and masks of 5×8×8; accepted are images N×H×W"),
        (np.zeros((4, 8, 8)), np.zeros((4, 8, 8)), "masks: 4×8×8 of float64; masks N×H×W of integers are accepted"),
        (np.zeros((8, 8)), None, "images: an array of 8×8 without an array of masks"),
        ("folder", np.zeros((4, 8, 8), int), "its masks are an array; a folder of masks is accepted"),
    ],
)
def test_arrays_that_do_not_belong_together(data: Any, labels: Any, text: str) -> None:
    with pytest.raises(BadInput, match=text) as error:
        as_folders(data, labels)
    assert "\n" not in str(error.value)


def test_a_stack_needs_masks(images: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"volume.tif: has no masks; accepted is an array or a stack of them, too"):
        train(stack(tmp_path / "volume.tif", images), None, tmp_path / "run")


def test_pages_of_several_sizes_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "mixed.tif") as file:
        for side in (8, 9):
            file.write(np.zeros((side, side), np.uint8), contiguous=False)
    with pytest.raises(BadInput, match="has pages of 8×8×1 uint8 and of 9×9×1 uint8; pages of one size"):
        as_folders(tmp_path / "mixed.tif", None)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int32", "uint32", "int64", "float64"])
def test_the_values_of_items_are_kept(dtype: str) -> None:
    items = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3).astype(dtype)
    folder = folder_of_items(items, "few")
    values = tifffile.imread(folder / "001.tif")
    assert np.array_equal(values, items[1] * (255 if dtype == "bool" else 1))


def test_old_folders_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_CACHE_GB", "1e-7")
    one, other = (folder_of_items(np.full((1, 9, 9, 1), value, np.uint8), "full") for value in (1, 2))
    assert not one.exists()
    assert other.exists()
    assert cache_limit() == 100
    assert [path for path in (cache_folder() / "unpacked").iterdir() if path.name.startswith(".")] == []


def test_masks_of_several_pages_in_a_folder_are_noted(tmp_path: Path) -> None:
    write_set(tmp_path, 3)
    (tmp_path / "y" / "01.png").unlink()
    stack(tmp_path / "y" / "01.tif", np.stack([scene(1)[1] > 0] * 2).astype(np.uint8) * 255)
    with pytest.warns(isthmus.errors.Note, match=r"label files of several pages, of which the first is read: 1 \(.*01"):
        train(tmp_path / "x", tmp_path / "y", tmp_path / "run")
