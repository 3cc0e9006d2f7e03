"""Label maps and objects are written so that reading gives the same, and other programs see the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers.runs import mask_of_runs, runs_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import ndimage

from isthmus.errors import BadInput, Note
from isthmus.jobs.segmentation.classes import Classes
from isthmus.jobs.segmentation.labels.open import LabelMap, open_labels
from isthmus.jobs.segmentation.labels.writers import (
    annotated,
    categories,
    write_classes,
    write_instances,
    write_labelme,
)
from isthmus.jobs.segmentation.objects import regions_of_classes
from isthmus.media.coco import write_coco
from isthmus.media.exif import file_tags
from isthmus.media.label_image import read_label_image
from isthmus.media.rle import runs_of_part
from isthmus.metrics.segmentation import IGNORE

RANDOM = np.random.default_rng(0)


def blobs(height: int = 60, width: int = 80, kinds: int = 3) -> np.ndarray:
    """Smooth regions of several classes, with holes, touching each other and the edges."""
    fields = [ndimage.gaussian_filter(RANDOM.random((height, width)), 2) for _ in range(kinds)]
    return np.argmax(fields, 0).astype(np.uint8)


@pytest.mark.parametrize(
    ("values", "suffix", "dtype"),
    [
        ([0, 1, 2], ".png", "uint8"),
        ([205, 420, 500], ".png", "uint16"),
        ([0, 70000, 5], ".tif", "uint32"),
        ([-1, 0, 300], ".tif", "int16"),
        ([0, 128, 255], ".tiff", "uint8"),
    ],
)
def test_original_values_are_written(tmp_path: Path, values: list[int], suffix: str, dtype: str) -> None:
    known, numbers = Classes(values), blobs()
    path = write_classes(tmp_path / f"a{suffix}", numbers, known)
    assert path.suffix == suffix
    written = tifffile.imread(path) if suffix != ".png" else np.asarray(Image.open(path))
    assert written.dtype == dtype
    assert np.array_equal(written, np.array(values)[numbers])
    assert np.array_equal(known.encode(read_label_image(path).values, "a"), numbers)
    assert path.stat().st_size < numbers.size * written.itemsize / 2  # compressed


def test_two_classes_are_written_as_0_and_255(tmp_path: Path) -> None:
    for values in ([0, 1], [0, 255]):
        path = write_classes(tmp_path / f"{values[1]}.png", blobs(kinds=2), Classes(values))
        assert np.unique(np.asarray(Image.open(path))).tolist() == [0, 255]


def test_values_of_more_than_16_bits_become_a_tiff(tmp_path: Path) -> None:
    assert write_classes(tmp_path / "a.png", blobs(), Classes([0, 1, 70000])).name == "a.tif"
    numbers = np.arange(300 * 300, dtype=np.int32).reshape(300, 300)
    path = write_instances(tmp_path / "b.png", numbers)
    assert path.name == "b.tif"
    assert tifffile.imread(path).dtype == np.uint32
    assert np.array_equal(read_label_image(path).values, numbers)
    few = write_instances(tmp_path / "c.png", numbers % 65536)
    assert np.asarray(Image.open(few)).max() == 65535
    with pytest.raises(BadInput, match=r"label maps are written as .png or .tif"):
        write_instances(tmp_path / "d.jpg", numbers)


def test_palettes_and_colors_are_written_as_such(tmp_path: Path) -> None:
    numbers, colors = blobs(), [0, 0, 0, 200, 0, 0, 0, 200, 0]
    path = write_classes(tmp_path / "p.png", numbers, Classes([0, 1, 2], palette=colors))
    with Image.open(path) as image:
        assert image.mode == "P"
        assert image.getpalette()[:9] == colors
        assert np.array_equal(np.asarray(image), numbers)
    rgb = Classes([(0, 0, 0), (200, 0, 0), (0, 200, 0)], kind="colors")
    path = write_classes(tmp_path / "c.png", numbers, rgb)
    assert np.array_equal(np.asarray(Image.open(path)), np.array(rgb.values, np.uint8)[numbers])


def test_the_georeference_of_a_tiff_is_kept(tmp_path: Path) -> None:
    steps, ties = (0.5, 0.5, 0.0), (0.0, 0.0, 0.0, 440720.0, 3751320.0, 0.0)
    keys, text = (1, 1, 0, 2, 1024, 0, 1, 1, 1026, 34737, 5, 0), "UTM|"
    extra = [
        (33550, "d", 3, steps, True),
        (33922, "d", 6, ties, True),
        (34735, "H", 12, keys, True),
        (34737, "s", 0, text, True),
        (42112, "s", 0, "<GDALMetadata/>", True),
        (42113, "s", 0, "-9999", True),
    ]
    source = tmp_path / "source.tif"
    tifffile.imwrite(source, np.zeros((60, 80, 4), np.uint16), photometric="rgb", extratags=extra)
    path = write_classes(tmp_path / "labels.tif", blobs(), Classes([0, 1, 2]), source)
    tags = file_tags(path)
    assert tuple(tags.numbers(33550)) == steps
    assert tuple(tags.numbers(33922)) == ties
    assert tuple(tags.numbers(34735)) == keys
    assert tags.first[34737].data == b"UTM|\0"
    assert tags.first[42113].data == b"-9999\0"
    assert 42112 not in tags.first  # it describes the values of the picture
    assert np.array_equal(tifffile.imread(path), read_label_image(path).values)
    with pytest.warns(Note, match=r"\.png cannot hold the georeference"):
        write_classes(tmp_path / "labels.png", blobs(), Classes([0, 1, 2]), source)


def saved_picture(tmp_path: Path, size: tuple[int, int]) -> Path:
    (tmp_path / "images").mkdir(exist_ok=True)
    Image.fromarray(RANDOM.integers(0, 255, size, np.uint8)).save(tmp_path / "images" / "a.png")
    return tmp_path / "images"


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return len(pairs[0]) == len(set(pairs[0].tolist())) == len(set(pairs[1].tolist()))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.integers(0, 2)),
    st.sampled_from(["runs", "polygons", "labelme"]),
)
def test_classes_to_objects_and_back(tmp_path: Path, numbers: np.ndarray, form: str) -> None:
    if not numbers.any():
        numbers[0, 0] = 1
    known = Classes([0, 7, 30], ["background", "cell", "stain"])
    folder, labels = saved_picture(tmp_path, numbers.shape), LabelMap(numbers)
    if form == "labelme":
        path = write_labelme(tmp_path / "a.json", "a.png", labels, known)
    else:
        one = annotated("a.png", labels, known, polygons=form == "polygons")
        path = write_coco(tmp_path / "a.json", [one], categories(known))
    read = open_labels(path, ["a.png"], folder, classes=known).read("a.png")
    assert np.array_equal(read.classes, numbers)
    assert read.instances is not None
    assert same_partition(read.instances, regions_of_classes(numbers))


@pytest.mark.parametrize("form", ["runs", "polygons", "labelme"])
def test_touching_objects_with_holes_and_parts_stay_apart(tmp_path: Path, form: str) -> None:
    instances = blobs(kinds=6).astype(np.int32)
    classes, known = (instances > 0).astype(np.uint8), Classes([0, 255], ["background", "nucleus"])
    folder, labels = saved_picture(tmp_path, classes.shape), LabelMap(classes, instances)
    if form == "labelme":
        path = write_labelme(tmp_path / "a.json", "a.png", labels, known)
    else:
        one = annotated("a.png", labels, known, polygons=form == "polygons")
        path = write_coco(tmp_path / "a.json", [one], categories(known))
    read = open_labels(path, ["a.png"], folder, classes=known).read("a.png")
    assert np.array_equal(read.classes, classes)
    assert read.instances is not None
    assert same_partition(read.instances, instances)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("polygons", [False, True])
def test_cocos_own_tools_read_the_same_objects(tmp_path: Path, polygons: bool) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    numbers = blobs()
    known = Classes([0, 7, 30], ["background", "cell", "stain"])
    one = annotated("a.png", LabelMap(numbers), known, polygons=polygons, scores={1: 0.25})
    path = write_coco(tmp_path / "a.json", [one], categories(known))
    data = coco.COCO(str(path))
    assert data.getCatIds() == [7, 30]
    assert data.loadImgs(1)[0] | {"id": 1} == {"id": 1, "file_name": "a.png", "height": 60, "width": 80}
    values = np.zeros(numbers.shape, int)
    for annotation in data.loadAnns(data.getAnnIds()):
        mask = data.annToMask(annotation).astype(bool)
        rows, columns = np.nonzero(mask)
        assert annotation["area"] == mask.sum()
        box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert annotation["bbox"] == box
        values[mask] = annotation["category_id"]
    assert np.array_equal(values, known.decode(numbers))
    assert [one.get("score") for one in data.dataset["annotations"]][:2] == [0.25, None]


def test_pixels_without_a_class_are_no_objects() -> None:
    numbers = np.full((4, 6), IGNORE, np.uint8)
    numbers[:2, :3] = 1
    instances = np.repeat([[1, 1, 1, 2, 2, 2]], 4, 0).astype(np.int32)
    known = Classes([0, 9], ["background", "cell"])
    assert [region.kind for region in annotated("a", LabelMap(numbers, instances), known).regions] == ["cell"]


def test_categories_of_colors_and_of_classes_without_background() -> None:
    colors = Classes([(0, 0, 0), (9, 9, 9)], ["sky", "road"], kind="colors")
    assert categories(colors) == {1: "road"}
    animals = Classes([(64, 128, 64), (192, 0, 128)], ["Animal", "Arch"], kind="colors")
    assert categories(animals) == {1: "Animal", 2: "Arch"}
    numbers = np.array([[0, 0, 1]], np.uint8)
    assert [region.kind for region in annotated("a", LabelMap(numbers), animals).regions] == ["Animal", "Arch"]
    assert categories(Classes([0, 5, 90])) == {5: "5", 90: "90"}


@given(
    hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))),
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)),
)
def test_runs_of_a_part_are_those_of_the_mask(part: np.ndarray, around: tuple[int, int, int, int]) -> None:
    top, bottom, left, right = around
    mask = np.pad(part, ((top, bottom), (left, right)))
    runs = runs_of_part(part, top, left, *mask.shape)
    assert runs == runs_of(mask)
    assert np.array_equal(mask_of_runs(runs, *mask.shape), mask)


def test_labelme_files_have_what_labelme_reads(tmp_path: Path) -> None:
    path = write_labelme(tmp_path / "a.json", "a.png", LabelMap(blobs(kinds=2)), Classes([0, 1], ["background", "ä"]))
    content = json.loads(path.read_text(encoding="utf-8"))
    assert {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"} == content.keys()
    for shape in content["shapes"]:
        assert {"label", "points", "group_id", "shape_type", "flags"} == shape.keys()
        assert len(shape["points"]) > 3
