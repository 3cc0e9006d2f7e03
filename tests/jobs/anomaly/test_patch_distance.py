"""PatchDistance: patch features compared with those of normal images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import isthmus
from isthmus.errors import BadInput
from isthmus.jobs.anomaly.detector import Detector
from isthmus.jobs.anomaly.patch_distances import PatchDistance
from isthmus.jobs.anomaly.settings import Settings

SIDE = 32


def pictures(count: int, seed: int) -> torch.Tensor:
    return torch.rand(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)) * 0.2 + 0.4


def test_patch_distance_is_that_to_the_nearest_standardized_patch() -> None:
    features = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0)) * torch.arange(1.0, 5).view(4, 1, 1)
    places = PatchDistance.fit([features[:2], features[2:]])
    assert places.bank.shape == (90, 4)
    assert places(features).amax() < 1e-2
    other = features + 3
    rows = features.permute(0, 2, 3, 1).flatten(0, 2)
    spread = rows.std(0, correction=0)
    wanted = torch.cdist(other.permute(0, 2, 3, 1).flatten(0, 2) / spread, rows / spread).amin(1).view(3, 5, 6)
    torch.testing.assert_close(places(other), wanted, atol=1e-3, rtol=1e-3)


def test_an_unusual_patch_is_detected_also_after_loading(tmp_path: Path) -> None:
    model = isthmus.create("detect", shape=(1, SIDE, SIDE), kind="repairing", channels=(8, 16), seed=0).eval()
    settings = Settings.of(model, score="features", share=0.01)
    detector = Detector.fit(model, [pictures(24, 0)], [pictures(12, 1)], settings)
    x = pictures(4, 2)
    x[:2, :, 8:16, 8:16] = x[:2, :, 8:16, 8:16].round()
    found = detector(model, x)
    assert found.score[:2].min() > found.score[2:].max()
    inside = found.map[:2, 8:16, 8:16].mean()
    assert inside > found.map[2:].mean()
    detector.save(tmp_path)
    torch.testing.assert_close(Detector.load(tmp_path)(model, x).score, found.score)


def test_features_need_a_network_that_predicts_masks() -> None:
    model = isthmus.create("detect", shape=(1, SIDE, SIDE), kind="denoising")
    with pytest.raises(BadInput, match="score features: needs a network trained to find defects"):
        Settings.of(model, score="features")
