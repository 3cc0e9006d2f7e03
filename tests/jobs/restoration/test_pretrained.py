"""Which model a command takes: by name or folder, of the right job, and no more of them than it needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isthmus
from isthmus import BadInput, models
from isthmus.jobs.restoration import pretrained

GRAY = np.full((16, 16), 90, np.uint8)


def test_one_picture_loads_one_net(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    real = pretrained.load_model
    monkeypatch.setattr(pretrained, "load_model", lambda name: (loaded.append(Path(name).name), real(name))[1])
    isthmus.denoise(GRAY)
    assert loaded == []  # a picture without noise
    noisy = np.random.default_rng(0).integers(60, 120, (64, 64, 3), np.uint8)
    isthmus.denoise(noisy[..., 0])
    assert loaded == ["denoise-gray"]
    isthmus.denoise(noisy)
    assert loaded == ["denoise-gray", "denoise-color"]


@pytest.mark.parametrize(
    ("verb", "model", "right"),
    [
        ("denoise", "unwatermark", "isthmus unwatermark"),
        ("unwatermark", "denoise-gray", "isthmus denoise"),
        ("denoise", "inpaint", "isthmus inpaint"),
        ("upscale", "xray", "isthmus denoise"),
        ("denoise", "upscale-2", "isthmus upscale"),
    ],
)
def test_a_model_of_another_job_is_refused_with_the_command_that_takes_it(verb: str, model: str, right: str) -> None:
    with pytest.raises(BadInput, match=f"^{model}: is a run of .*; {right} uses it$") as refused:
        getattr(isthmus, verb)(GRAY, model=model)
    assert "\n" not in str(refused.value)


def test_a_run_of_a_type_is_for_reconstruct(run_of: Callable[[str], Path]) -> None:
    with pytest.raises(BadInput, match=r"conv: is a run of conv; isthmus reconstruct uses it"):
        isthmus.denoise(GRAY, model=run_of("conv"))


def test_shipped_models_are_known_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "xray").mkdir()  # a folder of pictures may have the name of a model
    before = sorted(path.name for path in models.folder_of("xray").iterdir())
    model = isthmus.load("xray")
    assert model.about["recipe"] == isthmus.describe("xray")["recipe"] == "denoise"
    pictures = np.random.default_rng(0).integers(0, 255, (3, *model.shape), dtype=np.uint8)
    assert isthmus.evaluate("xray", pictures)["items"] == 3
    assert sorted(path.name for path in models.folder_of("xray").iterdir()) == before  # nothing written beside it
    found: Any = isthmus.reconstruct("xray", pictures)
    assert tuple(found.shape) == pictures.shape
    with pytest.raises(BadInput, match="no such run folder, and no shipped model"):
        isthmus.load("xrays")


def test_a_training_may_start_from_a_shipped_model(tmp_path: Path) -> None:
    shape = (24, 1, 16, 16)
    pictures = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    options: dict[str, Any] = {"epochs": 1, "device": "cpu", "quiet": True, "crop": 16}
    run = isthmus.train("denoise", pictures, out=tmp_path / "run", init="denoise-gray", **options)
    assert run.model.about["init"] == "denoise-gray"
