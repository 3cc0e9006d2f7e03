"""Runs with the features of a file: resumed without it, and trained on folders with unreadable images."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.backbones import Backbone, to_onnx, to_pt2
from helpers.hub import RIGHT, Hub
from PIL import Image

import isthmus
from isthmus.data import cache
from isthmus.errors import BadInput, Note
from isthmus.jobs.anomaly import kept_features
from isthmus.jobs.anomaly.kept_features import compute

pytestmark = [pytest.mark.jobs, pytest.mark.filterwarnings("ignore::isthmus.errors.Note")]

X = np.random.default_rng(1).integers(40, 200, (4, 32, 32)).astype(np.uint8)


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


@pytest.mark.parametrize("kind", ["feature-autoencoder", "gaussian"])
def test_a_finished_run_ends_without_computing_features(
    kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []

    def count(model: Any, data: Any, *rest: Any) -> set[int]:
        computed.append(len(data))
        return compute(model, data, *rest)

    monkeypatch.setattr(kept_features, "compute", count)
    keys: dict[str, Any] = {"kind": kind}
    keys |= {} if kind == "gaussian" else {"epochs": 2, "schedule": "constant", "warmup": 0.0}
    first = trained(folder, "run", "auto", **keys)
    files = {file: file.stat().st_mtime_ns for file in first.path.rglob("*.*")}
    again = trained(folder, "run", "auto", **keys, resume=True)
    assert computed == [24]
    assert again.history == first.history
    assert {file: file.stat().st_mtime_ns for file in first.path.rglob("*.*")} == files
    if kind != "gaussian":
        longer = trained(folder, "run", "auto", **keys | {"epochs": 3}, resume=True)
        assert computed == [24, 24]
        assert longer.history[:2] == first.history
        (first.path / "metrics.json").unlink()  # as after a kill between the last step and the results
        trained(folder, "run", "auto", resume=True)
        assert computed == [24, 24, 24]


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


@pytest.fixture
def run(folder: Path) -> Path:
    trained(folder, "run", to_pt2(backbone(0), folder.parent / "net.pt2"), kind="nearest-patches")
    return folder.parent / "run"


def test_a_model_that_only_measures_is_the_same_of_two_processes(folder: Path, run: Path) -> None:
    keys = ["features=net.pt2", "kind=nearest-patches"]
    words = ["train", "detect", str(folder), "--out", "two", "--devices", "2", "--device", "cpu"]
    program = [
        str(Path(sys.executable).with_name("isthmus")),
        *words,
        *(word for key in keys for word in ("--set", key)),
    ]
    done = subprocess.run(program, cwd=folder.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, wanted = (isthmus.load(folder.parent / name).detect(X) for name in ("two", "run"))
    assert torch.allclose(found.score, wanted.score, atol=1e-4)


def test_describe_and_compare_name_features_and_areas(folder: Path, run: Path) -> None:
    facts = isthmus.describe(run)
    assert facts["features"] == {"network": "ExportedFeatures", "output": [14, 8, 8]}
    assert "features    14×8×8 " in isthmus.verbs.describe.diagram(facts)
    for kind, level in (("good", 90), ("hole", 250)):
        (folder.parent / f"line/{kind}").mkdir(parents=True)
        for number in range(3):
            pixels = np.random.default_rng(number).integers(level - 30, level + 5, (32, 32)).astype(np.uint8)
            Image.fromarray(pixels).save(folder.parent / f"line/{kind}/{number}.png")
    trained(folder.parent / "line", "labeled", folder.parent / "net.pt2", kind="nearest-patches")
    (row,) = isthmus.compare([folder.parent / "labeled"])
    assert row["image_auroc"] == 1.0


def test_a_published_run_scores_the_same(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="needs the extra hub: pip install 'isthmus[hub]'")
    served = Hub()
    for name, value in {"HF_ENDPOINT": served.url, "NO_PROXY": "127.0.0.1", "HF_TOKEN": RIGHT}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    try:
        isthmus.push_to_hub(run, "me/parts")
        model = isthmus.from_hub("me/parts")
    finally:
        served.stop()
    assert torch.equal(model.detect(X).score, isthmus.load(run).detect(X).score)
    assert model.about["options"]["features"] == "net.pt2"


def test_the_error_of_features_is_no_psnr(folder: Path) -> None:
    run = trained(folder, "run", backbone(0), epochs=2)
    assert run.readable["validation"] == f"RMSE {run.metrics['validation_mse_per_value'] ** 0.5:.4g}"
