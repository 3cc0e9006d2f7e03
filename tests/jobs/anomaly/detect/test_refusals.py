"""Options and data that detect refuses before the training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import isthmus
from isthmus.errors import BadInput


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
