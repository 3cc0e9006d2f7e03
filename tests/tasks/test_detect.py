"""Good ones are learned from; what is not like them is found, and where."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import isthmus
from isthmus.data import open_data
from isthmus.detection import Detector, Settings
from isthmus.detection.distances import Neighbours
from isthmus.detection.maps import MAPS, blurred, pooled
from isthmus.errors import BadInput
from isthmus.tasks.detect import calibrate


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


def test_what_is_bad_is_told_from_what_is_good(run: Path, parts: Path) -> None:
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
    assert "the normal average" in (tmp_path / "report/index.html").read_text()


def test_names_that_differ_in_their_suffix_alone_have_a_heatmap_each(run: Path, parts: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for name in ("a.png", "a.bmp"):
        with Image.open(parts / "test/good/130.png") as picture:
            picture.save(tmp_path / "new" / name)
    isthmus.detect(run, tmp_path / "new", out=tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "report/heatmaps").iterdir()) == ["a-2.png", "a.png"]


def test_a_map_is_hot_where_the_scratch_is(run: Path, parts: Path) -> None:
    with Image.open(parts / "test/scratch/0.png") as picture:
        frame = np.asarray(picture)
    found = isthmus.load(run).detect(frame, false_alarms=0.2)
    assert found.score.shape == (1,)
    assert bool(found.bad)
    assert float(found.ratio) > 1.5
    assert found.map is not None
    assert float(found.map[0, 2:22, 3:6].mean()) > 3 * float(found.map[0, :, 10:].mean())


def test_the_threshold_moves_without_a_training_and_its_promise_holds(run: Path) -> None:
    detector = isthmus.load(run).detector
    assert detector is not None
    assert detector.threshold(0.5) < detector.threshold(0.1) <= detector.threshold(0.01)
    good = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    held = Detector(Settings(), {}, torch.zeros(3, 1), good[:2000].sort().values)
    for share in (0.01, 0.05):
        assert float((good[2000:] > held.threshold(share)).double().mean()) == pytest.approx(share, abs=0.005)
    few = Detector(Settings(), {}, torch.zeros(3, 1), good[:9].sort().values)
    assert few.threshold(0.01) == float(good[:9].max())
    assert few.promised(0.01) == pytest.approx(0.1)
    assert "for 1.0% it takes 99" in (few.doubt(0.01) or "")
    assert few.doubt(0.1) is None


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
    with pytest.raises(BadInput, match="score elbo: is of a variational model"):
        isthmus.train("detect", parts, out=tmp_path / "other", epochs=1, quiet=True, score="elbo")


def test_what_is_outside_of_the_roi_does_not_count(parts: Path, tmp_path: Path) -> None:
    mask = np.zeros((24, 24), np.uint8)
    mask[:, 12:] = 255
    Image.fromarray(mask).save(tmp_path / "roi.png")
    keys = {"roi": str(tmp_path / "roi.png"), "score": "error", "relative": False}
    isthmus.train("detect", parts, out=tmp_path / "run", epochs=20, code=8, quiet=True, **keys)
    found = isthmus.load(tmp_path / "run").detect(open_data(str(parts / "test/scratch")).floats(), unit=True)
    assert found.map is not None
    assert not found.map[..., :12].any()
    assert found.map[..., 12:].any()


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


def test_what_cannot_be_asked_is_refused(run: Path, parts: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown score 'errors'"):
        isthmus.train("detect", parts, out=tmp_path / "a", epochs=1, quiet=True, score="errors")
    with pytest.raises(BadInput, match="a share between 0 and 1"):
        isthmus.detect(run, parts / "test/good", false_alarms=2)
    isthmus.train("conv", parts / "train/good", out=tmp_path / "conv", epochs=1, quiet=True)
    with pytest.raises(BadInput, match="isthmus train detect makes a run that has one"):
        isthmus.detect(tmp_path / "conv", parts / "test/good")
    with pytest.raises(BadInput, match="no detector"):
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


def test_neighbours_are_the_nearest_of_all(tmp_path: Path) -> None:
    codes = torch.randn(1200, 5, generator=torch.Generator().manual_seed(1))
    near = Neighbours.fit(codes, k=2)
    asked = codes[:700] + 0.01
    exact = torch.cdist(asked.double(), codes.double()).square().topk(2, largest=False).values.mean(1)
    assert near(asked) == pytest.approx(exact.float(), rel=1e-3, abs=1e-5)
