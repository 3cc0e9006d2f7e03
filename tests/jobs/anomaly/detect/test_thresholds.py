"""The threshold: a false-positive rate, shown defects, and calibration images of the user."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import isthmus
from isthmus.data import open_data
from isthmus.errors import BadInput, Note
from isthmus.jobs.anomaly.calibrate import calibrate
from isthmus.jobs.anomaly.detector import Detector, detector_of
from isthmus.jobs.anomaly.reliability import calibration_warnings
from isthmus.jobs.anomaly.settings import Settings


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
