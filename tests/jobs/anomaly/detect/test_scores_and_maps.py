"""Scores and maps of anomalies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import isthmus
from isthmus.data import open_data
from isthmus.errors import BadInput
from isthmus.jobs.anomaly.anomaly_maps import MAPS, blurred, pooled
from isthmus.jobs.anomaly.calibrate import calibrate
from isthmus.jobs.anomaly.detector import detector_of
from isthmus.jobs.anomaly.distances import NearestNeighbors
from isthmus.jobs.anomaly.model_outputs import filled_in, model_outputs


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
