"""Runs with the features of a file: resumed without it, and trained on folders with unreadable images."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.backbones import Backbone, to_onnx, to_pt2
from PIL import Image

import isthmus
from isthmus.data import cache
from isthmus.errors import BadInput, Note

pytestmark = [pytest.mark.jobs, pytest.mark.filterwarnings("ignore::isthmus.errors.Note")]


def backbone(seed: int) -> Backbone:
    torch.manual_seed(seed)
    return Backbone().eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    for number, pixels in enumerate(np.random.default_rng(0).integers(60, 120, (24, 32, 32)).astype(np.uint8)):
        Image.fromarray(pixels).save(tmp_path / f"parts/{number:02d}.png")
    return tmp_path / "parts"


def trained(folder: Path, name: str, features: Any, **keys: Any) -> Any:
    return isthmus.train("detect", folder, out=folder.parent / name, features=features, quiet=True, **keys)


def test_a_stopped_training_needs_no_file_to_resume_and_ignores_a_changed_one(folder: Path) -> None:
    file = to_onnx(backbone(0), folder.parent / "net.onnx")
    wanted = trained(folder, "full", file, epochs=6)

    def stop(training: Any) -> None:
        if training.step == 3:
            raise KeyboardInterrupt

    for change in ("other weights", "no file"):
        to_onnx(backbone(0), file)
        with pytest.raises(KeyboardInterrupt):
            trained(folder, change, file, epochs=6, callbacks={"step": stop})
        file.unlink()
        if change == "other weights":
            to_onnx(backbone(1), file)
        found = trained(folder, change, file, epochs=6, resume=True)
        assert found.history[-1]["loss"] == wanted.history[-1]["loss"]
        for name in ("model.safetensors", "detector.safetensors"):
            assert (found.path / name).read_bytes() == (wanted.path / name).read_bytes()
        assert isthmus.load(found.path).about["options"]["features"] == str(file)
    with pytest.raises(BadInput, match=r"was made with features=.*net.onnx, not other.onnx"):
        trained(folder, "full", "other.onnx", resume=True)


def test_a_broken_image_of_a_large_folder_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, broken = to_pt2(backbone(0), folder.parent / "net.pt2"), folder / "05.png"
    broken.write_bytes(broken.read_bytes()[:400])
    monkeypatch.setenv("ISTHMUS_CACHE", str(folder.parent / "cache"))
    monkeypatch.setattr(cache, "MIN_BYTES", 0)
    monkeypatch.setattr("isthmus.data.base.MEMORY_BUDGET", 2**12)
    for keys in ({"features": file, "kind": "nearest-patches"}, {"features": file, "epochs": 1}, {"epochs": 1}):
        out = folder.parent / f"run-{'-'.join(map(str, keys))}"
        with pytest.warns(Note, match=r"05.png: broken picture .*; the next picture replaces it"):
            run = isthmus.train("detect", folder, out=out, validation=0.3, quiet=True, **keys)
        assert ("features" in run.data.further) == ("features" in keys)
        assert run.model.detect(np.full((1, 32, 32), 250, np.uint8)).bad.all()


def test_a_code_of_features_is_not_compared_with_the_pixels(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        isthmus.create("detect", shape=(1, 32, 32), features=backbone(0))
