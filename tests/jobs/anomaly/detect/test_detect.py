"""Training and use of a detector on images, rows of numbers and single frames."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import isthmus
from isthmus.data import open_data
from isthmus.errors import BadInput
from isthmus.inference.inputs import open_for
from isthmus.jobs.anomaly.calibrate import calibrate
from isthmus.jobs.anomaly.detector import detector_of
from isthmus.jobs.anomaly.scorer import OUTLIER


def test_anomalous_images_are_separated_from_normal_ones(run: Path, parts: Path) -> None:
    figures = isthmus.evaluate(run, str(parts))
    assert figures["image_auroc"] > 0.95
    assert set(figures["per_kind"]) == {"one", "scratch"}
    assert min(figures["per_kind"].values()) > 0.9
    assert figures["pixel_auroc"] > 0.8
    assert figures["aupro"] > 0.4
    assert (figures["good"], figures["bad"]) == (48, 50)


def test_a_folder_becomes_scores_heatmaps_and_a_page(run: Path, parts: Path, tmp_path: Path) -> None:
    rows = isthmus.detect(run, parts / "test/one", out=tmp_path / "report")
    with (tmp_path / "report/scores.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [row["file"] for row in written] == [row["file"] for row in rows]
    assert written[-1]["file"] == "text.png"
    assert written[-1]["verdict"] == "unreadable"
    assert sum(row["verdict"] == "bad" for row in written) > 27
    for row in written[:-1]:
        assert (float(row["score"]) > float(row["threshold"])) == (row["verdict"] == "bad")
        with Image.open(tmp_path / "report/heatmaps" / row["file"]) as heat:
            assert heat.size == (24, 24)
    assert "the normal" in (tmp_path / "report/index.html").read_text()


def test_names_that_differ_in_their_suffix_alone_have_a_heatmap_each(run: Path, parts: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for name in ("a.png", "a.bmp"):
        with Image.open(parts / "test/good/130.png") as picture:
            picture.save(tmp_path / "new" / name)
    isthmus.detect(run, tmp_path / "new", out=tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "report/heatmaps").iterdir()) == ["a.bmp.png", "a.png"]


def test_a_map_is_hot_where_the_scratch_is(run: Path, parts: Path) -> None:
    with Image.open(parts / "test/scratch/0.png") as picture:
        frame = np.asarray(picture)
    found = isthmus.load(run).detect(frame, false_alarms=0.2)
    assert found.score.shape == (1,)
    assert bool(found.bad)
    assert float(found.ratio) > 1.5
    assert float(found.map[0, 2:22, 3:6].mean()) > 3 * float(found.map[0, :, 10:].mean())


def test_rows_of_numbers_are_looked_at_too(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    phase = random.uniform(0, 6, (300, 1))
    rows = np.sin(np.linspace(0, 12, 60) + phase) + 0.1 * random.normal(size=(300, 60))
    np.savetxt(tmp_path / "good.csv", rows, delimiter=",")
    broken = rows[:20].copy()
    broken[:, 20:40] = 0
    np.savetxt(tmp_path / "new.csv", np.concatenate([rows[:20], broken]), delimiter=",")
    isthmus.train("detect", str(tmp_path / "good.csv"), out=tmp_path / "run", epochs=60, code=4, quiet=True)
    found = isthmus.detect(tmp_path / "run", str(tmp_path / "new.csv"), out=tmp_path / "report", false_alarms=0.05)
    score = np.array([row["score"] for row in found])
    assert np.median(score[20:]) > score[:20].max()
    assert not (tmp_path / "report/heatmaps").exists()


@pytest.mark.parametrize("kind", ["sparse", "contractive", "quantized", "inpainting", "repairing"])
def test_a_run_of_every_kind_looks_the_same_after_it_is_loaded(kind: str, parts: Path, tmp_path: Path) -> None:
    isthmus.train("detect", parts, out=tmp_path / "run", kind=kind, epochs=2, quiet=True)
    x = open_data(str(parts / "test/one")).floats()[:5]
    model = isthmus.load(tmp_path / "run")
    found = model.detect(x, unit=True)
    assert found.score.isfinite().all()
    assert found.map.shape == (5, 24, 24)
    alone = isthmus.load(tmp_path / "run").detect(x[2:3], unit=True)  # what stands beside an item does not matter
    assert alone.score == pytest.approx(found.score[2:3], rel=1e-5, abs=1e-4)


def test_out_of_distribution_images_are_anomalous_without_a_defect(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    good = (100 + 10 * random.normal(size=(40, 32, 32))).clip(0, 255).astype(np.uint8)
    isthmus.train("detect", good, out=tmp_path / "run", kind="repairing", epochs=1, quiet=True)
    model = isthmus.load(tmp_path / "run")
    noise = random.integers(0, 256, (32, 32), dtype=np.uint8)
    strange = [noise, np.full((32, 32), 100, np.uint8), np.zeros((32, 32), np.uint8), np.full((32, 32), 255, np.uint8)]
    assert all(bool(model.detect(x).bad) for x in strange)
    roi = np.zeros((32, 32), np.uint8)
    roi[8:24, 8:24] = 255
    Image.fromarray(roi).save(tmp_path / "roi.png")
    halves = {"train": np.arange(30), "validation": np.arange(30, 40)}
    part = isthmus.load(tmp_path / "run")
    part.path = None
    calibrate(part, open_data(good), halves, roi=str(tmp_path / "roi.png"))
    around = np.where(roi, good[0], 255).astype(np.uint8)
    assert detector_of(part) is not None
    assert float(detector_of(part).distances["glance"](torch.from_numpy(around)[None, None] / 255)) > OUTLIER
    assert float(part.detect(around).score) < OUTLIER  # a glance is not thrown outside of the roi
    assert all(bool(part.detect(x).bad) for x in strange[1:])
    assert detector_of(model) is not None
    detector_of(model).distances.pop("glance")
    assert not all(bool(model.detect(x).bad) for x in strange)


def test_pictures_of_mixed_sizes_are_seen_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(12):
        high, wide = random.integers(20, 60, 2)
        picture = random.integers(0, 100, (high, wide), dtype=np.uint8)
        picture[:, -3:] = 250  # at an edge that a center crop would cut off
        (tmp_path / "parts").mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / f"parts/{number}.png")
    assert "nothing cut off" in open_data(tmp_path / "parts", whole=40).notes[0]
    isthmus.train("detect", tmp_path / "parts", out=tmp_path / "run", epochs=1, size=32, quiet=True)
    model = isthmus.load(tmp_path / "run")
    seen = open_for(model, str(tmp_path / "parts")).floats()
    assert seen.shape == (12, 1, 32, 32)
    assert float(seen[..., -1].min()) > 0.8
    isthmus.detect(model, tmp_path / "parts", out=tmp_path / "report")
    for number in range(12):
        with (
            Image.open(tmp_path / f"parts/{number}.png") as file,
            Image.open(tmp_path / f"report/heatmaps/{number}.png") as heat,
        ):
            assert heat.size == file.size


def test_the_onnx_file_of_a_detector_equals_the_detector(run: Path, parts: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = isthmus.load(run)
    model.path, halves = None, {"train": np.arange(100), "validation": np.arange(100, 130)}
    roi = np.zeros((24, 24), np.uint8)
    roi[2:, 5:20] = 255
    Image.fromarray(roi).save(tmp_path / "roi.png")
    calibrate(model, open_data(parts / "train/good"), halves, roi=str(tmp_path / "roi.png"))
    session = onnxruntime.InferenceSession(isthmus.export(model, tmp_path / "detect.onnx"))
    x = open_data(str(parts / "test/one")).floats()[:7]
    names = ["score", "map", "threshold"]
    score, seen, threshold = session.run(names, {"input": x.numpy()})
    found = model.detect(x, unit=True)
    assert score == pytest.approx(found.score.numpy(), abs=1e-3)
    assert seen == pytest.approx(found.map.numpy(), abs=1e-3)
    assert float(threshold) == pytest.approx(found.threshold)
    assert [one.name for one in session.get_outputs()] == ["reconstruction", "code", *names]
    assert "score" in json.loads(session.get_modelmeta().custom_metadata_map["detector"])


def test_a_frame_is_made_to_fit_as_a_file_is(run: Path, parts: Path, tmp_path: Path) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (50, 31, 3), dtype=np.uint8)
    Image.fromarray(frame).save(tmp_path / "frame.png")
    (row,) = isthmus.detect(run, tmp_path / "frame.png")
    model = isthmus.load(run)
    for x in (frame, frame.transpose(2, 0, 1), tmp_path / "frame.png", str(tmp_path / "frame.png")):
        found = model.detect(x)
        assert found.map.shape == (1, 24, 24)
        assert float(found.score) == pytest.approx(row["score"], abs=1e-4)
    with Image.open(tmp_path / "frame.png") as file:
        gray = np.asarray(file.convert("L"))
    assert model.detect(gray).score.shape == (1,)
    for x, told in (
        (np.full((24, 24), np.nan, np.float32), "NaN or infinite"),
        (np.array([None]), "input: holds Python objects"),
    ):
        with pytest.raises(BadInput, match=told):
            model.detect(x)
    with pytest.raises(BadInput, match="a share between 0 and 1"):
        model.detect(gray, false_alarms=3)
