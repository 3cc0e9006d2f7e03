"""`isthmus segment`: label maps, overlays, tables and boxes of images of any size."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.discs import scene, write_set
from PIL import Image

import isthmus
from isthmus.errors import BadInput, Note
from isthmus.jobs.segmentation.classes import Classes
from isthmus.jobs.segmentation.instances import connected
from isthmus.jobs.segmentation.segmenter import Segmenter, with_objects
from isthmus.media.coco import read_coco
from isthmus.media.photo import Photo

pytestmark = pytest.mark.usefixtures("one_thread")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_a_folder_becomes_label_maps_overlays_a_table_and_boxes(binary: Path, tmp_path: Path) -> None:
    out = isthmus.segment(binary / "run", binary / "x", out=tmp_path / "out")
    assert {path.name for path in out.iterdir()} == {
        *(f"{number:02d}.png" for number in range(12)),
        "overlays",
        "areas.csv",
        "boxes.json",
    }
    found = np.stack([pixels(out / f"{number:02d}.png") for number in range(12)])
    truth = np.stack([pixels(binary / "y" / f"{number:02d}.png") for number in range(12)])
    assert set(np.unique(found)) == {0, 255}
    assert (found == truth).mean() > 0.95
    assert pixels(out / "overlays" / "00.png").shape[2] == 3


def test_the_table_and_the_boxes_describe_the_label_maps(binary: Path, tmp_path: Path) -> None:
    out = isthmus.segment(binary / "run", binary / "x", out=tmp_path / "out", min_area=0)
    with (out / "areas.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    annotated, kinds = read_coco(out / "boxes.json")
    assert kinds == {255: "255"}
    for number in range(12):
        name = f"{number:02d}.png"
        own = [row for row in rows if row["file"] == name]
        marked = pixels(out / name) > 0
        image = pixels(binary / "x" / name)
        assert sum(int(row["area"]) for row in own) == marked.sum()
        total = sum(int(row["area"]) * float(row["mean_intensity"]) for row in own)
        assert total / marked.sum() == pytest.approx(image[marked].mean(), rel=1e-4)
        regions = next(one for one in annotated if one.file == name).regions
        union = np.any([region.mask(48, 64) for region in regions], axis=0)
        assert np.array_equal(union, marked)
        assert [list(region.box) for region in regions] == [
            [float(row[key]) for key in ("left", "top", "width", "height")] for row in own
        ]
        assert all(0.5 <= float(region.score or 0) <= 1 for region in regions)


def test_objects_are_numbered_in_16_bits(instances: Path, tmp_path: Path) -> None:
    out = isthmus.segment(instances / "run", instances / "x", out=tmp_path / "out")
    counts = []
    for number in range(12):
        found = pixels(out / f"{number:02d}.png")
        assert found.dtype == np.uint16
        assert set(np.unique(found)) == set(range(int(found.max()) + 1))
        counts.append((int(found.max()), int(pixels(instances / "y" / f"{number:02d}.png").max())))
    assert np.mean([abs(own - true) for own, true in counts]) < 1.5


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((48, 64), (48, 64)),
        ((48, 64, 1), (48, 64)),
        ((48, 64, 3), (48, 64)),
        ((3, 48, 64), (48, 64)),
        ((1, 48, 64), (48, 64)),
        ((5, 48, 64), (5, 48, 64)),
        ((2, 3, 48, 64), (2, 48, 64)),
    ],
)
def test_arrays_of_every_layout_give_their_label_maps(
    binary: Path, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    image, _ = scene(3)
    array = np.broadcast_to(image[..., None] if shape[-1] in (1, 3) else image, shape).copy()
    model = isthmus.load(binary / "run")
    labels = model.segment(array)  # type: ignore[operator]
    assert labels.shape == expected
    assert np.array_equal(labels.reshape(-1, 48, 64)[0], model.segment(image))  # type: ignore[operator]
    of_tensor = model.segment(torch.from_numpy(array))  # type: ignore[operator]
    assert isinstance(of_tensor, torch.Tensor)
    assert np.array_equal(of_tensor.numpy(), labels)


def test_a_file_without_out_gives_its_label_map(binary: Path) -> None:
    file = binary / "x" / "00.png"
    assert np.array_equal(isthmus.segment(binary / "run", file), isthmus.segment(binary / "run", pixels(file)))
    with pytest.raises(BadInput, match="out is needed, a folder for the results"):
        isthmus.segment(binary / "run", binary / "x")


@pytest.mark.parametrize("kind", ["binary", "instances"])
def test_tiles_give_the_result_of_one_pass(kind: str, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue(kind) / "run"
    image = np.concatenate([np.concatenate([scene(5)[0], scene(6)[0]], 1)] * 3)
    whole, tiled = (Segmenter(run, tile=tile)(Photo(image[..., None])) for tile in (4096, 40))
    assert np.abs(whole.probability.astype(float) - tiled.probability).max() < 2e-3  # half precision
    assert (whole.classes == tiled.classes).mean() > 0.999
    if kind == "instances":
        assert whole.objects is not None
        assert tiled.objects is not None
        assert whole.objects.max() == tiled.objects.max() > 5


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (7, 3), (33, 49)])
def test_any_size_goes_in(binary: Path, size: tuple[int, int]) -> None:
    image = np.full(size, 60, np.uint8)
    assert isthmus.segment(binary / "run", image).shape == size


def test_the_mean_over_flips_has_no_preferred_direction(binary: Path) -> None:
    image, _ = scene(4, height=48, width=48)
    segmenter = Segmenter(binary / "run", best=True)
    plain = segmenter(Photo(image[..., None])).probability.astype(float)
    turned = segmenter(Photo(np.rot90(image)[..., None].copy())).probability.astype(float)
    assert np.abs(np.rot90(plain) - turned).max() < 2e-3
    single = Segmenter(binary / "run")(Photo(image[..., None])).probability
    assert np.abs(plain - single).max() > 1e-3


def test_a_higher_threshold_marks_fewer_pixels(binary: Path) -> None:
    image, _ = scene(1)
    areas = [int((isthmus.segment(binary / "run", image, threshold=t) > 0).sum()) for t in (0.05, 0.5, 0.95)]
    assert areas[0] > areas[1] > areas[2] > 0
    with pytest.raises(BadInput, match="threshold is 1: a probability between 0 and 1"):
        isthmus.segment(binary / "run", image, threshold=1)


def test_with_masks_the_worst_are_first_on_a_page(binary: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    out = isthmus.segment(binary / "run", binary / "x", out=tmp_path / "out", masks=binary / "y", each=rows.append)
    page = (out / "index.html").read_text(encoding="utf-8")
    shown = [float(text) for text in re.findall(r"\.png: Dice ([\d.]+)</figcaption>", page)]
    assert len(shown) == 12
    assert shown == sorted(shown)
    assert shown[0] == pytest.approx(min(row["dice"] for row in rows), abs=1e-3)
    figures = isthmus.evaluate(binary / "run", binary / "x", masks=binary / "y", split="all")
    assert np.mean([row["dice"] for row in rows]) == pytest.approx(figures["dice"])


def test_resume_keeps_results_and_completes_the_tables(binary: Path, tmp_path: Path) -> None:
    whole = isthmus.segment(binary / "run", binary / "x", out=tmp_path / "whole")

    def stop(row: dict[str, Any]) -> None:
        if row["file"] == "04.png":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), pytest.warns(Note, match="4 of 12 images are done"):
        isthmus.segment(binary / "run", binary / "x", out=tmp_path / "out", each=stop)
    before = (tmp_path / "out" / "01.png").stat().st_mtime_ns
    isthmus.segment(binary / "run", binary / "x", out=tmp_path / "out", resume=True)
    assert (tmp_path / "out" / "01.png").stat().st_mtime_ns == before
    for name in ("areas.csv", "boxes.json", "07.png", "overlays/01.png"):
        assert (tmp_path / "out" / name).read_bytes() == (whole / name).read_bytes(), name


def test_resume_makes_anew_results_that_no_table_has(binary: Path, tmp_path: Path) -> None:
    out = isthmus.segment(binary / "run", binary / "x", out=tmp_path / "out")
    expected = {name: (out / name).read_bytes() for name in ("areas.csv", "boxes.json")}
    for name in expected:  # as after a power failure, before the tables were written
        (out / name).unlink()
    (out / "03.png").unlink()
    isthmus.segment(binary / "run", binary / "x", out=out, resume=True)
    assert {name: (out / name).read_bytes() for name in expected} == expected


def test_small_regions_of_a_class_become_background(binary: Path) -> None:
    image = binary / "x" / "00.png"
    areas = np.bincount(connected(isthmus.segment(binary / "run", image) > 0).ravel())[1:]
    least = int(areas.max())
    kept = np.bincount(connected(isthmus.segment(binary / "run", image, min_area=least) > 0).ravel())[1:]
    assert sorted(kept) == sorted(areas[areas >= least])


def test_one_image_is_compared_with_one_mask(binary: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    image, mask = binary / "x" / "00.png", binary / "y" / "00.png"
    isthmus.segment(binary / "run", image, masks=mask, out=tmp_path / "out", each=rows.append)
    assert rows[0]["pixel_accuracy"] == (pixels(tmp_path / "out" / "00.png") == pixels(mask)).mean()


def test_an_unknown_option_is_an_error(binary: Path) -> None:
    with pytest.raises(TypeError, match=r"unexpected argument 'treshold'; accepted are model, out, .*threshold"):
        isthmus.segment(binary / "run", np.zeros((8, 8), np.uint8), treshold=0.4)  # type: ignore[call-arg]


def test_a_split_is_that_of_the_training(binary: Path, tmp_path: Path) -> None:
    parts = json.loads((binary / "run" / "parts.json").read_text(encoding="utf-8"))
    out = isthmus.segment(binary / "run", binary / "x", out=tmp_path / "out", split="validation", overlays=False)
    expected = {name.partition("#")[0] for name in parts["validation"]}
    assert {path.name for path in out.glob("*.png")} == expected
    assert len(expected) == 2


def test_an_existing_folder_is_refused_and_a_broken_file_named(binary: Path, tmp_path: Path) -> None:
    write_set(tmp_path, 3)
    (tmp_path / "x" / "01.png").write_text("no image")
    skipped: list[str] = []
    with pytest.warns(Note, match="1 broken of 3 files"):
        isthmus.segment(
            binary / "run", tmp_path / "x", out=tmp_path / "out", skip=lambda name, reason: skipped.append(name)
        )
    assert skipped == ["01.png"]
    assert not (tmp_path / "out" / "01.png").exists()
    with pytest.raises(BadInput, match="--resume continues, --force overwrites"):
        isthmus.segment(binary / "run", tmp_path / "x", out=tmp_path / "out")


def test_a_run_of_another_job_is_refused(tmp_path: Path) -> None:
    run = isthmus.fit(isthmus.create("linear", shape=(1, 8, 8), code=2), np.zeros((9, 8, 8), np.uint8), quiet=True)
    with pytest.raises(BadInput, match="is a run of linear; isthmus reconstruct uses it"):
        isthmus.segment(run.model, np.zeros((8, 8), np.uint8))


def test_class_numbers_agree_with_objects() -> None:
    classes = np.array([[0, 1, 0], [2, 2, 1]], np.uint8)
    objects = np.array([[0, 1, 1], [2, 2, 0]])
    assert with_objects(classes, objects, 0).tolist() == [[0, 1, 1], [2, 2, 0]]
    assert with_objects(1 - classes.clip(max=1), objects, 1).tolist() == [[1, 0, 0], [0, 0, 1]]


def test_the_exported_file_gives_probabilities_of_the_classes(binary: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    file = isthmus.export(binary / "run", tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["probabilities", "code"]
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == {
        "names": ["0", "255"],
        "values": [0, 255],
    }
    image, _ = scene(2, height=40, width=72)
    shares = session.run(["probabilities"], {"input": (image / 255).astype(np.float32)[None, None]})[0]
    assert shares.shape == (1, 2, 40, 72)
    assert np.allclose(shares.sum(1), 1, atol=1e-5)
    found = Segmenter(binary / "run")(Photo(image[..., None]))
    assert np.abs(shares[0, 1] - found.probability).max() < 2e-3


def test_a_model_without_a_training_has_classes_by_number() -> None:
    model = isthmus.create("segment", shape=(1, 16, 16), classes=3, channels=(8,))
    segmenter = Segmenter(model)
    assert segmenter.classes == Classes([0, 1, 2])
    assert set(np.unique(isthmus.segment(model, np.zeros((16, 16), np.uint8)))) <= {0, 1, 2}


def test_images_of_another_depth_than_in_the_training_are_noted(binary: Path) -> None:
    image, _ = scene(2)
    with pytest.warns(Note, match="uint16 values are scaled by its own percentiles, but the run was trained on 8 bits"):
        isthmus.segment(binary / "run", image.astype(np.uint16) * 257)
