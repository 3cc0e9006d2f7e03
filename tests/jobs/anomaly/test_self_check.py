"""The self-check on synthesized defects, which follows every training of an image detector."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import isthmus
from isthmus.cli import main
from isthmus.jobs.anomaly.detector import Detector, detector_of
from isthmus.jobs.anomaly.reliability import calibration_warnings
from isthmus.jobs.anomaly.self_check import BUDGET, pictures_for, self_check
from isthmus.jobs.anomaly.settings import Settings
from isthmus.jobs.anomaly.synthetic_defects import DEFECTS, synthesized


def parts(count: int, seed: int, side: int = 32) -> np.ndarray:
    """Bright disks on a dark ground, N×H×W uint8, that differ a little."""
    random = np.random.default_rng(seed)
    down, across = np.mgrid[:side, :side] - side / 2
    radius = side * random.uniform(0.27, 0.31, (count, 1, 1))
    disks = 40 + 140 * (down**2 + across**2 < radius**2) + random.normal(0, 2, (count, side, side))
    return disks.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 96), (1, 9, 11)])
def test_defects_are_small_seeded_and_within_the_roi(shape: tuple[int, int, int]) -> None:
    x = np.random.default_rng(0).uniform(0.2, 0.8, (6, *shape)).astype(np.float32)
    roi = np.zeros(shape[1:], bool)
    roi[: shape[1] // 2] = True
    for asked in (None, roi):
        made, again = synthesized(x, roi=asked), synthesized(x, roi=asked)
        assert list(made) == list(DEFECTS)
        for kind, pictures in made.items():
            assert np.array_equal(pictures, again[kind])
            assert pictures.min() >= 0
            assert pictures.max() <= 1
            changed = np.abs(pictures - x).max(1) > 0.02
            assert changed.any((1, 2)).all(), kind
            assert changed.mean((1, 2)).max() < 0.5
            assert asked is None or not changed[:, ~roi].any()
    other = synthesized(x, seed=1)
    assert all(not np.array_equal(made[kind], other[kind]) for kind in DEFECTS)


def test_the_expected_auroc_is_printed_and_on_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "good").mkdir()
    for number, one in enumerate(parts(100, 0)):
        Image.fromarray(one).save(tmp_path / f"good/{number:03d}.png")
    command = ["train", "detect", str(tmp_path / "good"), "--out", str(tmp_path / "run"), "--epochs", "40"]
    with pytest.raises(SystemExit):
        main([*command, "--code", "4"])
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("self-check: AUROC"))
    assert "on synthesized defects of 10 of your own normal pictures" in line
    check = json.loads((tmp_path / "run/metrics.json").read_text())["detector"]["self_check"]
    assert set(check["per_kind"]) == set(DEFECTS)
    assert check["auroc"] == pytest.approx(np.mean(list(check["per_kind"].values())))
    assert check["auroc"] > 0.7
    assert line in (tmp_path / "run/index.html").read_text()
    isthmus.detect(tmp_path / "run", tmp_path / "good", out=tmp_path / "report")
    assert line[1:] in (tmp_path / "report/index.html").read_text()
    loaded = detector_of(isthmus.load(tmp_path / "run"))
    assert loaded is not None
    assert loaded.check == check


def test_a_detector_at_chance_warns_and_suggests_options() -> None:
    detector = Detector(Settings(), {}, torch.zeros(1, 1), torch.ones(2, 1), torch.randn(200).sort().values)
    detector.check = {"auroc": 0.55, "per_kind": {"stain": 0.55}, "pictures": 20}
    assert "AUROC 0.55 on synthesized defects is about chance: try" in calibration_warnings(detector, 0.1)[0]
    detector.check["auroc"] = 0.7
    assert calibration_warnings(detector, 0.1) == []


def test_a_self_check_processes_a_bounded_number_of_values() -> None:
    counts = []
    for side in (64, 128):
        model = isthmus.create("detect", shape=(1, side, side), kind="repairing", channels=(4, 8), seed=0).eval()
        x = torch.from_numpy(parts(20, 1, side))[:, None] / 255
        detector = Detector.fit(model, [x[:10]], [x[10:]])
        counts.append(pictures_for(model, detector))
    assert counts == [100, 64]
    values: list[int] = []
    model.encoder.register_forward_pre_hook(lambda _, given: values.append(given[0].numel()))
    x = x.repeat(4, 1, 1, 1)[: counts[-1]]
    found = self_check(model, detector, x)
    assert BUDGET / 2 < sum(values) <= BUDGET
    assert found == self_check(model, detector, x)
