"""The parts of benchmarks/generation.py that no training is needed for, and its tables."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

sys.path[:0] = [str(Path(__file__).parents[2] / "benchmarks")]

import generation_tables  # noqa: E402
from generating import models, sets  # noqa: E402
from generating.gan import SETTINGS, gan  # noqa: E402
from train_classifier import FEATURES, Classifier, shifted  # noqa: E402


@pytest.fixture
def _photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty photos of one color each, so that a patch tells its photo."""
    (tmp_path / "bsd400_color").mkdir()
    for value in range(20):
        pixels = np.full((40, 50, 3), 10 * value, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "bsd400_color" / f"{value:02d}.jpg", quality=100)
    monkeypatch.setenv("ISTHMUS_DATA", str(tmp_path))
    monkeypatch.setattr(sets, "PHOTOS", 15)
    monkeypatch.setattr(sets, "COUNTS", {"train": 60, "test": 30})
    sets.patches.cache_clear()


@pytest.mark.usefixtures("_photos")
def test_no_photo_gives_training_and_test_patches() -> None:
    train, test = (sets.patches(part) for part in ("train", "test"))
    assert (train.shape, test.shape) == ((60, 3, 32, 32), (30, 3, 32, 32))
    photos = [{round(float(patch.mean()) / 10) for patch in part} for part in (train, test)]
    assert (len(photos[0]), len(photos[1])) == (15, 5)
    assert not photos[0] & photos[1]
    assert 0 <= float(sets.images("patches", "test").min()) <= float(sets.images("patches", "test").max()) <= 1
    sets.patches.cache_clear()


def test_a_training_that_is_complete_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "TRAINED", tmp_path)
    made = models.finished("run", lambda out: (out.mkdir(), (out / "weights").touch()))
    assert models.finished("run", lambda out: pytest.fail("trained twice")) == made
    assert models.seconds_of("run") >= 0


@pytest.mark.parametrize("name", SETTINGS)
def test_a_gan_moves_towards_the_pictures_and_samples_the_same_again(name: str) -> None:
    x = torch.zeros(64, 1, 28, 28)
    x[..., 8:20, 8:20] = 1.0
    generator = gan(x, 0.0 if name != "hinge, spectral norm" else 4.0, **SETTINGS[name])
    made = generator.pictures(260)
    assert made.shape == (260, 1, 28, 28)
    assert torch.equal(made, generator.pictures(260))
    assert 0 <= float(made.min()) <= float(made.max()) <= 1
    if name == "hinge, spectral norm":
        assert float((made.mean(0) - x[0]).abs().mean()) < float((0.5 - x[0]).abs().mean())


def test_features_of_the_classifier_are_those_before_its_last_layer() -> None:
    model, x = Classifier().eval(), torch.rand(3, 1, 28, 28)
    assert model.features(x).shape == (3, FEATURES)
    assert torch.allclose(model(x), model.last(model.features(x).relu()))
    assert shifted(x, 2, torch.Generator().manual_seed(0)).shape == x.shape


ROW: dict[str, Any] = {
    "frechet_distance": 3.14,
    "frechet_floor": 0.62,
    "precision": 0.871,
    "recall": 0.9,
    "density": 1.0,
    "coverage": 0.95,
    "duplicates": 120,
}


def test_the_tables_name_model_prior_and_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("common", "table_writer"):
        monkeypatch.setattr(f"{module}.RESULTS", tmp_path)
    ranking = [{"set": "MNIST", "model": "training pictures"}, {"set": "MNIST", "model": "AE", "prior": "mixture"}]
    (tmp_path / "generation-ranking-mnist.json").write_text(json.dumps({"rows": [row | ROW for row in ranking]}))
    (tmp_path / "generation-discrete.json").write_text(json.dumps({"rows": [{"model": "GAN"} | ROW]}))
    lines = generation_tables.RANKING.lines()
    assert [line[0] for line in lines[1:]] == [
        "MNIST: training pictures themselves",
        "MNIST: AE, mixture of 10 Gaussians",
    ]
    assert lines[1][1:] == ["3.1", "0.6", "0.87 / 0.90", "1.00 / 0.95", "120"]
    assert [line[0] for line in generation_tables.DISCRETE.lines()[1:]] == ["GAN"]
    assert len(generation_tables.CACHE.lines()) == 1
