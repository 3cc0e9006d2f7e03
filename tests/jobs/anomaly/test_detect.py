"""Detectors trained on normal items detect anomalous ones, and their regions."""

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
from isthmus.errors import BadInput, Note
from isthmus.inference.inputs import open_for
from isthmus.jobs.anomaly.anomaly_maps import MAPS, blurred, pooled
from isthmus.jobs.anomaly.calibrate import calibrate
from isthmus.jobs.anomaly.detector import Detector, detector_of
from isthmus.jobs.anomaly.distances import NearestNeighbors
from isthmus.jobs.anomaly.model_outputs import filled_in, model_outputs
from isthmus.jobs.anomaly.reliability import calibration_warnings
from isthmus.jobs.anomaly.scorer import OUTLIER
from isthmus.jobs.anomaly.settings import Settings


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Zeros that are good, 24×24, some with a bright scratch, whose place is known, and ones that are no zeros."""
    top = tmp_path_factory.mktemp("parts")
    data = open_data("digits")
    labels, pixels = data.labels, data.batch(np.arange(len(data))).numpy()[:, 0] * 15
    assert labels is not None
    large = [np.kron(one, np.ones((3, 3))).astype(np.uint8) for one in pixels]

    def save(name: str, pixels: np.ndarray) -> None:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(top / name)

    zeros = [large[i] for i in np.flatnonzero(labels == 0)]
    for i, one in enumerate(zeros):
        save(f"{'train' if i < 130 else 'test'}/good/{i}.png", one)
    for i, one in enumerate(zeros[:20]):
        mask = np.zeros_like(one)
        mask[2:22, 3 + i % 3 : 6 + i % 3] = 255
        save(f"test/scratch/{i}.png", np.maximum(one, mask))
        save(f"ground_truth/scratch/{i}_mask.png", mask)
    for i in np.flatnonzero(labels == 1)[:30]:
        save(f"test/one/{i}.png", large[i])
    (top / "test/one/text.png").write_text("no picture")
    return top


@pytest.fixture(scope="module")
def run(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    isthmus.train("detect", parts, out=out, epochs=60, code=8, quiet=True, smooth=1.0)
    return out


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


def test_the_threshold_moves_without_a_training_and_its_promise_holds(run: Path) -> None:
    detector = detector_of(isthmus.load(run))
    assert detector is not None
    assert detector.threshold(0.5) < detector.threshold(0.1) <= detector.threshold(0.01)
    good = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros(1, 1)
    held = Detector(Settings(), {}, nothing, torch.zeros(3, 1), good[:2000].sort().values)
    for share in (0.01, 0.05):
        assert float((good[2000:] > held.threshold(share)).double().mean()) == pytest.approx(share, abs=0.005)
        low, high = held.fpr_interval(share)
        assert low < share < high < low + 0.03
    few = Detector(Settings(), {}, nothing, torch.zeros(3, 1), good[:9].sort().values)
    assert few.threshold(0.01) == float(good[:9].max())
    assert few.fpr_bound(0.01) == pytest.approx(0.1)
    low, high = few.fpr_interval(0.01)  # of the largest of nine: 1 - (1 ∓ 0.95)/2 to the power of a ninth
    assert (1 - low) ** 9 == pytest.approx(0.975)
    assert (1 - high) ** 9 == pytest.approx(0.025)
    (line,) = calibration_warnings(few, 0.01)
    assert "rate of 10.0%, not 1.0%, which takes 99; the rate of this threshold is between 0.3% and 34%" in line
    enough = Detector(Settings(), {}, nothing, torch.zeros(3, 1), good[:20].sort().values)
    assert calibration_warnings(enough, 0.1) == []


def test_defects_that_are_shown_draw_the_line_and_a_share_overrules_it(run: Path, parts: Path, tmp_path: Path) -> None:
    model = isthmus.load(run)
    model.path = None
    data = open_data(parts / "train/good")
    halves = {"train": np.arange(100), "validation": np.arange(100, 130)}
    detector = calibrate(model, data, halves, bad=str(parts / "test/one"))
    bad = model.detect(open_data(str(parts / "test/one")).floats(), unit=True).score
    assert detector.defect_threshold is not None
    assert detector.threshold() == detector.defect_threshold
    assert (
        float(detector.good.max()) < detector.defect_threshold < float(bad.min())
    )  # ones are no zeros: in the middle of the gap
    assert detector.defect_threshold == pytest.approx((float(detector.good.max()) + float(bad.min())) / 2)
    assert detector.threshold(0.5) < detector.defect_threshold
    detector.save(tmp_path)
    assert Detector.load(tmp_path).defect_threshold == detector.defect_threshold


def test_defects_used_for_calibration_are_recorded_and_not_evaluated(parts: Path, tmp_path: Path) -> None:
    shown = {"bad": str(parts / "test/scratch"), "epochs": 5, "code": 8, "quiet": True}
    isthmus.train("detect", parts, out=tmp_path / "run", **shown)
    told = json.loads((tmp_path / "run/metrics.json").read_text())["detector"]
    assert told["threshold_by"] == "f1"
    assert "false_alarms_promised" not in told  # which a threshold that defects have drawn does not keep
    assert told["from_bad"] == 20
    assert 0 < told["f1_on_shown"] <= 1
    with pytest.warns(Note, match="20 items that the threshold was calibrated on are left out"):
        figures = isthmus.evaluate(tmp_path / "run", str(parts))
    assert set(figures["per_kind"]) == {"one"}


def test_good_sets_the_calibration_images(parts: Path, tmp_path: Path) -> None:
    isthmus.train(
        "detect",
        parts,
        out=tmp_path / "run",
        good=str(parts / "test/good"),
        validation=0.0,
        test=0.0,
        epochs=5,
        code=8,
        quiet=True,
    )
    found = isthmus.load(tmp_path / "run")
    assert detector_of(found) is not None
    scores = found.detect(open_data(str(parts / "test/good")).floats(), unit=True).score
    assert scores.sort().values == pytest.approx(detector_of(found).good, abs=1e-4)
    with (
        pytest.warns(Note, match="48 items that the threshold was calibrated on are left out"),
        pytest.raises(BadInput),
    ):
        isthmus.evaluate(tmp_path / "run", str(parts))  # none is left that is good


@pytest.mark.parametrize("score", ["error", "ssim", "gradient", "mahalanobis", "knn", "ssim+knn"])
@pytest.mark.parametrize("pool", ["mean", "max", "worst"])
def test_every_score_puts_ones_above_zeros(run: Path, parts: Path, score: str, pool: str) -> None:
    model = isthmus.load(run)
    model.path = None  # the run keeps its own
    data = open_data(parts / "train/good")
    calibrate(model, data, {"train": np.arange(100), "validation": np.arange(100, 130)}, score=score, pool=pool)
    good, bad = (
        model.detect(open_data(str(parts / name)).floats(), unit=True).score for name in ("test/good", "test/one")
    )
    assert float((bad[:, None] > good[None]).float().mean()) > 0.8


def test_a_variational_model_is_asked_for_its_elbo_and_no_other(parts: Path, tmp_path: Path) -> None:
    keys = {"kind": "variational", "loss": "gaussian", "score": "elbo"}
    isthmus.train("detect", parts, out=tmp_path / "run", epochs=30, code=8, quiet=True, **keys)
    assert isthmus.evaluate(tmp_path / "run", str(parts))["image_auroc"] > 0.9
    with pytest.raises(BadInput, match="score elbo: needs a variational model"):
        isthmus.train("detect", parts, out=tmp_path / "other", epochs=1, quiet=True, score="elbo")


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


def test_invalid_options_are_refused(run: Path, parts: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown score 'errors'"):
        isthmus.train("detect", parts, out=tmp_path / "a", epochs=1, quiet=True, score="errors")
    with pytest.raises(BadInput, match="a share between 0 and 1"):
        isthmus.detect(run, parts / "test/good", false_alarms=2)
    isthmus.train("conv", parts / "train/good", out=tmp_path / "conv", epochs=1, quiet=True)
    with pytest.raises(BadInput, match="conv: is a run of conv; isthmus reconstruct uses it"):
        isthmus.detect(tmp_path / "conv", parts / "test/good")
    with pytest.raises(BadInput, match="conv: is a run of conv; isthmus reconstruct uses it"):
        isthmus.load(tmp_path / "conv").detect(np.zeros((24, 24)))


def test_maps_are_nothing_where_two_pictures_agree_and_local_where_they_do_not() -> None:
    x = torch.rand(2, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    y = x.clone()
    y[:, :, 8:11, 8:11] += 0.3
    for name, found in MAPS.items():
        assert float(found(x, x).abs().max()) < 1e-4, name
        seen = found(y, x)
        assert seen.shape == (2, 20, 24)
        assert float(seen[:, 7:12, 7:12].amax((1, 2)).min()) > 0.01
        assert float(seen[:, 17:, 17:].abs().max()) < 1e-4
    smooth = blurred(MAPS["error"](y, x), 2.0)
    assert float(smooth.sum()) == pytest.approx(float(MAPS["error"](y, x).sum()), rel=0.01)
    assert blurred(torch.ones(2, 7), 3.0) == pytest.approx(torch.ones(2, 7))
    assert pooled(torch.arange(10.0)[None], "worst", 0.2).tolist() == [8.5]


def test_neighbors_are_the_nearest_of_all(tmp_path: Path) -> None:
    codes = torch.randn(1200, 5, generator=torch.Generator().manual_seed(1))
    near = NearestNeighbors.fit(codes, k=2)
    asked = codes[:700] + 0.01
    exact = torch.cdist(asked.double(), codes.double()).square().topk(2, largest=False).values.mean(1)
    assert near(asked) == pytest.approx(exact.float(), rel=1e-3, abs=1e-5)


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


def test_the_map_of_marks_and_ssim_is_that_of_the_marks(parts: Path, tmp_path: Path) -> None:
    keys = {"kind": "repairing", "score": "marks+ssim"}
    isthmus.train("detect", parts, out=tmp_path / "run", epochs=1, quiet=True, **keys)
    model, x = isthmus.load(tmp_path / "run"), open_data(str(parts / "test/one")).floats()[:3]
    detector = detector_of(model)
    assert detector is not None
    assert detector.settings.parts == ["marks", "ssim"]
    with torch.no_grad():
        marks = model_outputs(model, x, detector.settings).marks
    assert marks is not None
    assert model.detect(x, unit=True).map == pytest.approx(blurred(marks, 2.0) / detector.places[0], rel=1e-3)


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


def test_a_hidden_part_is_never_seen() -> None:
    model = isthmus.create("detect", shape=(1, 32, 40), kind="inpainting")
    x = torch.rand(2, 1, 32, 40, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = filled_in(model, x, (8, 16))
        other = x.clone()
        other[:, :, 9:12, 17:20] = 1 - other[:, :, 9:12, 17:20]  # within the cell of 8×8 that begins at 8, 16
        after = filled_in(model, other, (8, 16))
    assert before.shape == (2, 2, 1, 32, 40)
    assert torch.equal(before[0, :, :, 8:16, 16:24], after[0, :, :, 8:16, 16:24])
    assert torch.equal(before[1, :, :, 0:16, 16:32], after[1, :, :, 0:16, 16:32])
    assert not torch.equal(before[0], after[0])


def test_scores_of_a_code_are_refused_where_skips_go_past_it(tmp_path: Path) -> None:
    for kind in ("inpainting", "repairing"):
        with pytest.raises(BadInput, match="score knn: needs a code"):
            isthmus.create("detect", shape=(1, 32, 32), kind=kind, score="error+knn")
        with pytest.raises(BadInput, match="code=8: its net has skips"):
            isthmus.create("detect", shape=(1, 32, 32), kind=kind, code=8)
    with pytest.raises(BadInput, match="score marks: needs a network trained to find"):
        isthmus.create("detect", shape=(1, 32, 32), code=8, score="marks")
    with pytest.raises(BadInput, match="kind=quantized: a grid of symbols needs images"):
        isthmus.create("detect", shape=(32,), kind="quantized")
    with pytest.raises(BadInput, match="score ssim: needs images"):
        isthmus.create("detect", shape=(32,), score="ssim")


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


def test_too_few_normal_images_are_refused_before_training(tmp_path: Path) -> None:
    x = np.zeros((2, 12, 12), np.uint8)
    with pytest.raises(BadInput, match=r"2 normal items, validation=0\.1: no item is held back"):
        isthmus.train("detect", x, out=tmp_path / "run", epochs=1, quiet=True)
    assert not (tmp_path / "run").exists()
    with pytest.raises(BadInput, match="validation=0: no item is held back"):
        isthmus.train("detect", np.zeros((40, 12), np.float32), out=tmp_path / "run", validation=0.0, test=0.0)


def test_unusable_options_are_refused_before_training(parts: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    Image.new("L", (9, 9)).save(tmp_path / "black.png")
    wrong = [
        ({"roi": str(tmp_path / "black.png")}, "no pixel is white"),
        ({"bad": str(tmp_path / "empty")}, "contains no images"),
        ({"good": str(parts / "train/good")}, "must not be the training folder"),
        ({"share": 2.0}, "share 2: above 0"),
        ({"smooth": -1.0}, "smooth -1: 0 or more"),
        ({"k": 0}, "k 0: 1 or more"),
    ]
    for keys, told in wrong:
        with pytest.raises(BadInput, match=told):
            isthmus.train("detect", parts, out=tmp_path / "run", epochs=1, quiet=True, **keys)
    assert not (tmp_path / "run").exists()


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


def test_missing_data_are_refused_before_training_and_no_items_are_no_error(run: Path, tmp_path: Path) -> None:
    for key, told in (
        ("good", "good=nowhere: no such"),
        ("bad", "bad=nowhere: no such"),
        ("roi", "nowhere: cannot be"),
    ):
        with pytest.raises(BadInput, match=told):
            isthmus.train("detect", np.zeros((40, 12, 12), np.uint8), out=tmp_path / "run", **{key: "nowhere"})
    assert not (tmp_path / "run").exists()
    assert isthmus.load(run).detect(torch.zeros(0, 1, 24, 24), unit=True).score.shape == (0,)
