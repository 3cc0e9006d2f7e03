"""Tables as people have them: names of rows, labels of normal rows alone, a single column."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.data import open_data
from isthmus.errors import Note

OPTIONS = {"labels": "diagnosis", "epochs": 30, "quiet": True, "device": "cpu"}


def write(path: Path, count: int, anomalous: int, labels: tuple[str, str] = ("benign", "malignant")) -> Path:
    random = np.random.default_rng(count)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["patient_id", "diagnosis", "a", "b", "c"])
        for row in range(count):
            bad = row < anomalous
            a = random.normal() + 9 * bad
            writer.writerow([f"P{1000 + row}", labels[bad], f"{a:.3f}", f"{2 * a + 0.1 * random.normal():.3f}", a**2])
    return path


@pytest.mark.filterwarnings("ignore")
def test_rows_keep_their_names_and_one_training_label_is_the_normal_one(tmp_path: Path) -> None:
    run = tmp_path / "run"
    isthmus.train("detect", write(tmp_path / "train.csv", 200, 0), out=run, **OPTIONS)
    new = write(tmp_path / "new.csv", 60, 20)
    rows = isthmus.detect(run, new, out=tmp_path / "report")
    assert [row["id"] for row in rows][:2] == ["P1000", "P1001"]
    with (tmp_path / "report" / "scores.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == [f"P{1000 + index}" for index in range(60)]
    figures = isthmus.evaluate(run, new)
    assert figures["image_auroc"] > 0.95
    assert "per_kind" not in figures


@pytest.mark.filterwarnings("ignore")
def test_two_training_labels_without_normal_are_named(tmp_path: Path) -> None:
    isthmus.train("detect", write(tmp_path / "train.csv", 200, 20), out=tmp_path / "run", **OPTIONS)
    with pytest.warns(Note, match="trained on rows labeled benign, malignant; train with --set normal=benign"):
        assert "image_auroc" not in isthmus.evaluate(tmp_path / "run", write(tmp_path / "new.csv", 60, 20))


def test_one_column_of_numbers_is_noted(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("value\n" + "\n".join(map(str, range(100, 0, -3))))
    assert any("--window" in note for note in open_data(tmp_path / "x.csv").notes)
