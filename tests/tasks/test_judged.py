"""What evaluate says of a detector where nothing tells normal from anomalous pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import isthmus
from isthmus.errors import Note


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
        with pytest.warns(Note, match="no labels tell normal from anomalous"):
            figures = isthmus.evaluate(tmp_path / "run", source)
        assert scores | {share} <= set(figures)
        assert figures["items"] == items
        assert not [name for name in figures if "psnr" in name or "mse" in name]
