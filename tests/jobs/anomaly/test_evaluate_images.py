"""evaluate of a detector on data without labels."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import isthmus
from isthmus.errors import BadInput, Note


def test_without_labels_there_are_scores_and_no_figures_of_restoration(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in (*(f"train/good/{i}.png" for i in range(40)), *(f"test/{i}.png" for i in range(5))):
        (tmp_path / "parts" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (16, 16)).astype(np.uint8)).save(tmp_path / "parts" / name)
    keys = {"kind": "repairing", "channels": "4,8", "epochs": 1, "least_steps": 1, "validation": 0.5, "test": 0.1}
    with pytest.warns(Note, match="40 normal to learn from, 5 to test without a label"):
        isthmus.train("detect", tmp_path / "parts", out=tmp_path / "run", quiet=True, **keys)
    scores = {"data", "split", "items", "threshold", "score_median", "score_highest"}
    for source, share, items in (
        (tmp_path / "parts", "false_alarm_rate", 4),
        (tmp_path / "parts/test", "over_threshold", 5),
    ):
        with pytest.warns(Note, match="no labels of normal and anomalous items"):
            figures = isthmus.evaluate(tmp_path / "run", source)
        assert scores | {share} <= set(figures)
        assert figures["items"] == items
        assert not [name for name in figures if "psnr" in name or "mse" in name]


def test_a_too_short_training_is_noted_with_its_scores(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (60, 12, 12)).astype(np.uint8)
    with pytest.warns(Note, match="trained for 1 of the 2,000 steps that this network needs, too few to judge"):
        isthmus.train("detect", frames, out=tmp_path / "run", epochs=1, quiet=True)
    with pytest.warns(Note, match="too few to judge"):
        isthmus.evaluate(tmp_path / "run", frames)
    with pytest.warns(Note, match="too few to judge"):
        isthmus.detect(tmp_path / "run", frames, out=tmp_path / "report")
    assert "too few to judge" in (tmp_path / "report/index.html").read_text()
    facts = json.loads((tmp_path / "run/metrics.json").read_text())["detector"]
    assert (facts["steps"], facts["steps_it_takes"]) == (1, 2000)
    with warnings.catch_warnings(record=True) as caught:
        isthmus.train("detect", frames, out=tmp_path / "long", epochs=1, least_steps=1, quiet=True)
    assert not [one for one in caught if "too few to judge" in str(one.message)]


def test_a_table_of_labels_judges_a_flat_folder(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "new").mkdir()
    for number in range(10):
        pixels = random.integers(0, 60 if number < 5 else 256, (12, 12)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"new/{number}.png")
    labels = ["good", "0", "ok", "OK", "False", "1", "scratch", "scratch", "bad", "true"]
    rows = [f"{number}.png;{label}" for number, label in enumerate(labels)]
    (tmp_path / "labels.csv").write_text("file;label\n" + "\n".join(rows))
    good = random.integers(0, 60, (60, 12, 12)).astype(np.uint8)
    isthmus.train("detect", good, out=tmp_path / "run", epochs=20, code=4, quiet=True)
    figures = isthmus.evaluate(tmp_path / "run", tmp_path / "new", labels=tmp_path / "labels.csv")
    assert (figures["good"], figures["bad"], figures["image_auroc"]) == (5, 5, 1.0)
    assert set(figures["per_kind"]) == {"anomalous", "bad", "scratch"}
    for text, reason in (
        ("a.png,1", "no rows"),
        ("0.png,1\nx.png,0", "x.png: no such picture"),
        ("0.png,", "no label"),
    ):
        (tmp_path / "wrong.csv").write_text(text)
        with pytest.raises(BadInput, match=reason):
            isthmus.evaluate(tmp_path / "run", tmp_path / "new", labels=tmp_path / "wrong.csv")
    with pytest.raises(BadInput, match="need a folder of images"):
        isthmus.evaluate(tmp_path / "run", good, labels=tmp_path / "labels.csv")


def test_nothing_is_measured_on_the_calibration_set(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    kinds = [("train/good", 40, 60), ("test/scratch", 4, 256)]
    for kind, number, high in ((kind, number, high) for kind, count, high in kinds for number in range(count)):
        (tmp_path / "parts" / kind).mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, high, (12, 12)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"parts/{kind}/{number}.png")
    keys = {"epochs": 2, "code": 4, "quiet": True}
    rates = {"false_alarm_rate", "f1"}
    with pytest.warns(Note, match="no normal items are left to measure"):
        isthmus.train("detect", tmp_path / "parts", out=tmp_path / "a", validation=0.0, test=0.25, **keys)
    facts = json.loads((tmp_path / "a/metrics.json").read_text())["detector"]
    assert not {"false_alarm_rate", "measured_on_good"} & set(facts)
    isthmus.train("detect", tmp_path / "parts", out=tmp_path / "b", validation=0.25, test=0.0, **keys)
    for run in ("a", "b"):
        with pytest.warns(Note, match="f1 and false_alarm_rate are not measured"):
            figures = isthmus.evaluate(tmp_path / run, tmp_path / "parts")
        assert "image_auroc" in figures
        assert not rates & set(figures)
    isthmus.train("detect", tmp_path / "parts", out=tmp_path / "c", validation=0.25, test=0.25, **keys)
    facts = json.loads((tmp_path / "c/metrics.json").read_text())["detector"]
    low, high = facts["false_alarm_rate_between"]
    assert low <= facts["false_alarm_rate"] <= high
    assert rates <= set(isthmus.evaluate(tmp_path / "c", tmp_path / "parts"))
    frames = random.integers(0, 60, (40, 12, 12)).astype(np.uint8)
    isthmus.train("detect", frames, out=tmp_path / "d", validation=0.25, test=0.0, **keys)
    with pytest.warns(Note, match="so no false-positive rate is measured"):
        assert "over_threshold" in isthmus.evaluate(tmp_path / "d", frames)
