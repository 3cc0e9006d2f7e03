"""COCO JSON and LabelMe JSON as label maps, compared with COCO's own tools."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.runs import runs_of
from PIL import Image

from isthmus.data.find_images import find_pictures
from isthmus.errors import BadInput
from isthmus.jobs.segmentation.classes import Classes
from isthmus.jobs.segmentation.labels.open import Labels, open_labels
from isthmus.media.contours import polygons_of
from isthmus.media.label_image import read_label_image
from isthmus.metrics.segmentation import IGNORE

SIZE = (20, 26)


@pytest.fixture
def pictures(save, rng) -> Path:
    for name in ("a", "b", "more/c"):
        path = save(rng.integers(0, 255, (*SIZE, 3), np.uint8), f"images/{name}.jpg")
    return path.parent.parent


def box(x: int, y: int, width: int, height: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[y : y + height, x : x + width] = True
    return mask


def annotation(mask: np.ndarray, image: int, category: int, form: str, **further: Any) -> dict[str, Any]:
    coco = pytest.importorskip("pycocotools.mask")
    if form == "polygons":
        segmentation: Any = polygons_of(mask)
    elif form == "runs":
        segmentation = {"size": list(mask.shape), "counts": runs_of(mask)}
    else:
        packed = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        segmentation = {"size": list(mask.shape), "counts": packed["counts"].decode()}
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    size = [int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)]
    bbox = [int(columns[0]), int(rows[0]), *size]
    return {"image_id": image, "category_id": category, "segmentation": segmentation, "bbox": bbox, **further}


def coco_file(path: Path, annotations: list[dict[str, Any]], names: tuple[str, ...] = ("a.jpg", "b.jpg")) -> Path:
    images = [{"id": i, "file_name": name, "height": SIZE[0], "width": SIZE[1]} for i, name in enumerate(names, 1)]
    annotations = [{"id": i, "iscrowd": 0, **one} for i, one in enumerate(annotations, 1)]
    categories = [{"id": 17, "name": "cell"}, {"id": 3, "name": "nucleus"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def opened(source: Path, pictures: Path, **options: Any) -> Labels:
    return open_labels(source, find_pictures(pictures)[0], pictures, **options)


@pytest.mark.parametrize("form", ["polygons", "runs", "packed"])
def test_coco_of_every_form(pictures: Path, tmp_path: Path, form: str) -> None:
    ring, inner = box(2, 3, 12, 11), box(5, 6, 4, 4)
    ring &= ~box(4, 5, 7, 7)
    annotations = [annotation(inner, 1, 3, form), annotation(ring, 1, 17, form)]
    names = ("a.jpg", "elsewhere/b.png", "more/c.jpg", "gone.jpg")
    labels = opened(coco_file(tmp_path / "coco.json", annotations, names), pictures)
    assert labels.matched == ["a.jpg", "b.jpg", "more/c.jpg"]
    assert labels.classes.values == [0, 17, 3]
    assert labels.classes.names == ["background", "cell", "nucleus"]
    assert labels.unmatched == ([], ["gone.jpg"])
    assert any("label files without a picture: 1 (gone.jpg)" in note for note in labels.notes)
    found = labels.read("a.jpg")
    assert np.array_equal(labels.classes.decode(found.classes), ring * 17 + inner * 3)
    assert np.array_equal(found.instances, ring * 1 + inner * 2)
    assert labels.read("b.jpg").classes.max() == 0  # a picture without annotations is background
    assert labels.understood.endswith("COCO JSON of 2 categories (1 objects on average)")


def test_a_crowd_is_ignored_and_overlaps_show_the_smaller_object(pictures: Path, tmp_path: Path) -> None:
    small, large, crowd = box(4, 4, 3, 3), box(2, 2, 10, 10), box(0, 0, 26, 8)
    annotations = [
        annotation(small, 1, 3, "polygons"),
        annotation(large, 1, 17, "packed"),
        annotation(crowd, 1, 17, "runs", iscrowd=1),
    ]
    found = opened(coco_file(tmp_path / "c.json", annotations), pictures)
    labels = found.read("a.jpg").classes
    expected = np.where(small, 2, np.where(large, 1, np.where(crowd, IGNORE, 0)))
    assert np.array_equal(labels, expected)
    assert found.classes.table[-1] == {
        "value": None,
        "class": None,
        "name": "ignored",
        "pixels": int((expected == IGNORE).sum()),
        "files": 1,
    }


def test_coco_without_boxes_with_flat_polygons_and_boxes_alone(pictures: Path, tmp_path: Path) -> None:
    one, two = annotation(box(2, 3, 5, 4), 1, 3, "polygons"), annotation(box(9, 3, 5, 4), 1, 3, "packed")
    del one["bbox"], two["bbox"]
    flat = {"image_id": 1, "category_id": 3, "segmentation": [[1, 1, 2, 2]], "bbox": [1, 1, 1, 1]}
    alone = {"image_id": 2, "category_id": 17, "segmentation": [], "bbox": [1, 1, 6, 2]}
    labels = opened(coco_file(tmp_path / "c.json", [one, two, flat, alone]), pictures)
    assert (labels.read("a.jpg").classes > 0).sum() == 40
    assert (labels.read("b.jpg").classes > 0).sum() == 12
    assert any("annotations without an area, which are left out: 1" in note for note in labels.notes)
    assert any("annotations without a mask, of which the full box is taken: 1" in note for note in labels.notes)


def test_a_run_reads_categories_by_name(pictures: Path, tmp_path: Path) -> None:
    path = coco_file(tmp_path / "c.json", [annotation(box(2, 3, 5, 4), 1, 3, "runs")])
    run = Classes([0, 1, 2], ["background", "nucleus", "cell"])
    assert opened(path, pictures, classes=run).read("a.jpg").classes.max() == 1
    with pytest.raises(BadInput, match="category 'cell' is no class of the run"):
        opened(path, pictures, classes=Classes([0, 1], ["background", "nucleus"]))
    objects = Classes([0, 1], ["background", "object"], kind="instances")
    assert opened(path, pictures, classes=objects).read("a.jpg").classes.sum() == 20


def shape(label: str, kind: str, points: list[list[float]], **further: Any) -> dict[str, Any]:
    return {"label": label, "shape_type": kind, "points": points, "group_id": None, "flags": {}, **further}


def labelme_file(path: Path, shapes: list[dict[str, Any]], **further: Any) -> Path:
    content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": f"{path.stem}.jpg", "imageData": None}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content | {"imageHeight": SIZE[0], "imageWidth": SIZE[1]} | further))
    return path


def stored(mask: np.ndarray) -> str:
    data = io.BytesIO()
    Image.fromarray(mask).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


@pytest.mark.parametrize("beside", [True, False])
def test_labelme_of_every_shape(pictures: Path, tmp_path: Path, beside: bool) -> None:
    folder = pictures if beside else tmp_path / "json"
    inside = np.array([[1, 0, 1], [0, 1, 0]], bool)
    shapes = [
        shape("cell", "rectangle", [[7, 5], [2, 2]]),
        shape("cell", "polygon", [[9, 1], [13, 1], [13, 4], [9, 4]], group_id=4),
        shape("cell", "polygon", [[15, 1], [18, 1], [18, 4], [15, 4]], group_id=4),
        shape("stain", "circle", [[5, 12], [8, 12]]),
        shape("stain", "mask", [[20, 10], [22, 11]], mask=stored(inside)),
        shape("__ignore__", "rectangle", [[0, 18], [26, 20]]),
        shape("cell", "line", [[0, 0], [5, 5]]),
    ]
    labelme_file(folder / "a.json", shapes)
    labelme_file(folder / "b.json", [], imageHeight=None, imageWidth=None)
    labels = opened(folder, pictures)
    assert labels.matched == ["a.jpg", "b.jpg"]
    assert labels.unmatched == (["more/c.jpg"], [])
    assert labels.classes.names == ["background", "cell", "stain"]
    assert any("shapes without an area are left out (1 of kind line)" in note for note in labels.notes)
    found = labels.read("a.jpg")
    expected = box(2, 2, 5, 3) * 1 + box(9, 1, 4, 3) * 2 + box(15, 1, 3, 3) * 2
    assert np.array_equal(found.instances * (found.classes == 1), expected)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    circle = (columns - 5) ** 2 + (rows - 12) ** 2 <= 9
    mask = np.zeros(SIZE, bool)
    mask[10:12, 20:23] = inside
    assert np.array_equal(found.classes == 2, circle | mask)
    assert np.array_equal(found.classes == IGNORE, box(0, 18, 26, 2))
    assert labels.read("b.jpg").classes.shape == SIZE


def test_labelme_of_a_run_with_an_unknown_label(pictures: Path, tmp_path: Path) -> None:
    labelme_file(tmp_path / "json" / "a.json", [shape("dust", "rectangle", [[2, 2], [7, 5]])])
    with pytest.raises(BadInput, match="category 'dust' is no class of the run; the classes are background, cell"):
        opened(tmp_path / "json", pictures, classes=Classes([0, 1], ["background", "cell"]))
    left = opened(tmp_path / "json", pictures, classes=Classes([0, 1], ["background", "cell"]), unknown="ignore")
    assert (left.read("a.jpg").classes == IGNORE).sum() == 15


def test_faults_are_said_in_one_line(pictures: Path, tmp_path: Path) -> None:
    good = [annotation(box(2, 3, 5, 4), 1, 3, "runs")]
    faults = {
        "names x.jpg, y.jpg, of which none is there; there are a.jpg": coco_file(
            tmp_path / "names.json", good, ("x.jpg", "y.jpg")
        ),
        "size [20, 26]": coco_file(tmp_path / "runs.json", [good[0] | {"segmentation": {"size": [9, 9]}}]),
        "one class": coco_file(tmp_path / "empty.json", []),
        "a.jpg has 26×20": tmp_path / "size.json",
        "not a COCO annotation file": tmp_path / "broken.json",
        "its mask is not base64": labelme_file(
            tmp_path / "mask" / "a.json", [shape("x", "mask", [[0, 0], [2, 2]], mask="§")]
        ),
        "shape 1 (polygon)": labelme_file(tmp_path / "poly" / "a.json", [shape("x", "polygon", [[0, 0], [2, 2]])]),
        "labels.json": tmp_path / "two",
    }
    content = json.loads((tmp_path / "names.json").read_text())
    content["images"][0] |= {"file_name": "a.jpg", "height": 10}
    content["annotations"] = []
    (tmp_path / "size.json").write_text(json.dumps(content))
    (tmp_path / "broken.json").write_text('{"images": [')
    (tmp_path / "two").mkdir()
    for name in ("labels", "other"):
        coco_file(tmp_path / "two" / f"{name}.json", good)
    messages = []
    for told, path in faults.items():
        with pytest.raises(BadInput) as caught:
            opened(path, pictures)
        messages.append((told, str(caught.value)))
    wrong = [(told, message) for told, message in messages if told not in message or "\n" in message]
    assert wrong == []


def test_real_nuclei_as_coco_are_the_same(real_data: Path, tmp_path: Path) -> None:
    nuclei = real_data / "dsb2018_256"
    names = find_pictures(nuclei / "images")[0][:6]
    images, annotations = [], []
    for image, name in enumerate(names):
        numbers = read_label_image(nuclei / "labels" / name).values
        images.append({"id": image, "file_name": name, "height": numbers.shape[0], "width": numbers.shape[1]})
        for number in np.unique(numbers)[1:]:
            form = ("polygons", "runs", "packed")[number % 3]
            annotations.append(annotation(numbers == number, image, 1, form, id=len(annotations)))
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "nucleus"}]}
    (tmp_path / "nuclei.json").write_text(json.dumps(content))
    as_coco = open_labels(tmp_path / "nuclei.json", names, nuclei / "images")
    as_png = open_labels(nuclei / "labels", names, nuclei / "images")
    for name in names:
        one, other = as_coco.read(name), as_png.read(name)
        assert np.array_equal(one.classes, other.classes)
        pairs = np.unique(np.stack([one.instances.ravel(), other.instances.ravel()]), axis=1)
        assert len(pairs[0]) == len(set(pairs[0])) == len(set(pairs[1]))


def test_a_run_on_color_masks_reads_annotations_by_name(pictures: Path, tmp_path: Path) -> None:
    path = coco_file(tmp_path / "c.json", [annotation(box(2, 3, 5, 4), 1, 3, "runs")])
    colors = [(9, 9, 9), (0, 0, 0), (200, 0, 0)]
    labels = opened(path, pictures, classes=Classes(colors, ["nucleus", "sky", "cell"], kind="colors"))
    found = labels.read("a.jpg")
    assert np.array_equal(found.classes == 0, box(2, 3, 5, 4))
    assert np.array_equal(found.classes == 1, ~box(2, 3, 5, 4))
    assert np.array_equal(found.instances, box(2, 3, 5, 4))
    no_background = Classes([(9, 9, 9), (200, 0, 0)], ["nucleus", "cell"], kind="colors")
    assert (opened(path, pictures, classes=no_background).read("a.jpg").classes == IGNORE).sum() == 20 * 26 - 20
    values = opened(path, pictures, classes=Classes([0, 3, 17])).read("a.jpg")
    assert np.array_equal(values.classes, box(2, 3, 5, 4))


def test_labelme_background_is_no_object(pictures: Path, tmp_path: Path) -> None:
    shapes = [shape("cell", "rectangle", [[2, 2], [12, 9]]), shape("_background_", "rectangle", [[4, 4], [6, 6]])]
    labelme_file(tmp_path / "json" / "a.json", shapes)
    found = opened(tmp_path / "json", pictures).read("a.jpg")
    assert found.classes.sum() == 70 - 4
    assert np.array_equal(found.classes > 0, found.instances > 0)


def test_shapes_that_leave_the_picture_are_cut(pictures: Path, tmp_path: Path) -> None:
    full = np.ones((6, 8), bool)
    shapes = [
        shape("a", "circle", [[0, 0], [4, 0]]),
        shape("a", "circle", [[25, 10], [25, 14]]),
        shape("b", "mask", [[-3, 16], [4, 21]], mask=stored(full)),
        shape("b", "mask", [[40, 40], [47, 45]], mask=stored(full)),
        shape("a", "polygon", [[20, -5], [40, -5], [40, 5], [20, 5]]),
    ]
    labelme_file(tmp_path / "json" / "a.json", shapes)
    found = opened(tmp_path / "json", pictures).read("a.jpg").classes
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    circles = (columns**2 + rows**2 <= 16) | ((columns - 25) ** 2 + (rows - 10) ** 2 <= 16)
    assert np.array_equal(found, np.where(circles | box(20, 0, 6, 5), 1, box(0, 16, 5, 4) * 2))


def test_a_category_can_be_ignored(pictures: Path, tmp_path: Path) -> None:
    annotations = [annotation(box(2, 3, 5, 4), 1, 3, "runs"), annotation(box(12, 3, 5, 4), 1, 17, "runs")]
    labels = opened(coco_file(tmp_path / "c.json", annotations), pictures, ignore=3)
    assert labels.classes.names == ["background", "cell"]
    assert np.array_equal(labels.read("a.jpg").classes, np.where(box(2, 3, 5, 4), IGNORE, box(12, 3, 5, 4)))
