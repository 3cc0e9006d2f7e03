"""A region of interest: pixels outside have no effect, for any score and any network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import isthmus
from isthmus.jobs.anomaly.detector import Detector, detector_of
from isthmus.jobs.anomaly.region import Region
from isthmus.jobs.anomaly.settings import Settings

SIDE = 24
CODED = ["error", "ssim", "gradient", "knn", "mahalanobis", "error+ssim+knn"]
ASKED = [
    *(("undercomplete", score, pool) for score in CODED for pool in ("mean", "worst")),
    *(("denoising", "error", "max"), ("sparse", "error+knn", "max"), ("contractive", "knn", "mean")),
    *(("variational", "elbo", "mean"), ("variational", "elbo+error", "worst"), ("quantized", "error+knn", "mean")),
    *(("inpainting", "error+ssim", "worst"), ("repairing", "marks+ssim", "worst"), ("repairing", "marks", "max")),
    *(("repairing", "marks+features", "worst"), ("repairing", "features", "mean")),
]


@pytest.fixture(scope="module")
def mask() -> torch.Tensor:
    mask = torch.zeros(SIDE, SIDE)
    mask[6:18, 4:15] = 1
    mask[10, 7] = 0  # a hole
    return mask


def pictures(count: int, seed: int) -> torch.Tensor:
    return torch.rand(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)) * 0.5 + 0.2


def with_other_outside(x: torch.Tensor, mask: torch.Tensor, seed: int) -> torch.Tensor:
    other = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed)).round()
    return torch.where(mask > 0, x, other)


@pytest.mark.parametrize(("kind", "score", "pool"), ASKED)
def test_pixels_outside_the_roi_have_no_effect_to_the_bit(kind: str, score: str, pool: str, mask: torch.Tensor) -> None:
    small = {"channels": (4, 8)} if kind in ("inpainting", "repairing") else {}
    loss = {"loss": "gaussian"} if kind == "variational" else {}
    model = isthmus.create("detect", shape=(1, SIDE, SIDE), kind=kind, seed=0, **small, **loss).eval()
    settings = Settings.of(model, score=score, pool=pool, cells=(4, 8), false_alarms=0.2)
    detector = Detector.fit(model, [pictures(16, 0)], [pictures(12, 1)], settings, mask)
    x = pictures(6, 2)
    x[:3, :, 8:12, 8:12] = 1
    found = detector(model, x)
    for seed in (3, 4):
        other = detector(model, with_other_outside(x, mask, seed))
        for name in ("score", "ratio", "map", "bad", "mask"):
            assert torch.equal(getattr(found, name), getattr(other, name)), name
    assert found.score.isfinite().all()
    assert not found.map[:, mask == 0].any()
    assert found.map[:, mask > 0].any()
    inside = x.clone()
    inside[:, :, 12:16, 6:12] = 1
    assert (detector(model, inside).score != found.score).all()
    calibrated = [with_other_outside(pictures(12, 1), mask, 5)]  # normalization does not read outside pixels either
    again = Detector.fit(model, [pictures(16, 0)], calibrated, settings, mask)
    assert torch.equal(again.good, detector.good)
    assert torch.equal(again.normal, detector.normal)


def test_the_edge_of_a_region_is_no_edge_in_the_picture(mask: torch.Tensor) -> None:
    smooth = torch.linspace(0.2, 0.6, SIDE).expand(5, 1, SIDE, SIDE)
    region = Region.fit(mask, [smooth])
    brighter = (smooth + 0.2)[:1]
    filled = region.filled(with_other_outside(brighter, mask, 1))
    assert torch.equal(filled[:, :, mask > 0], brighter[:, :, mask > 0])
    steps = [(filled[..., 1:, :] - filled[..., :-1, :]).abs(), (filled[..., 1:] - filled[..., :-1]).abs()]
    assert max(float(step.max()) for step in steps) < 0.08  # of a change of 0.2
    assert float((filled - smooth[:1]).abs()[..., -1].max()) < 0.04  # far away it is the mean image
    flat = torch.ones(2, SIDE, SIDE)
    assert region.blurred(flat, 2.0)[:, mask > 0] == pytest.approx(torch.ones(2, int(mask.sum())))


def test_the_roi_of_a_run_is_that_of_its_file(tmp_path: Path, mask: torch.Tensor) -> None:
    good = (pictures(40, 0)[:, 0] * 255).byte().numpy()
    Image.fromarray((mask.numpy() * 255).astype(np.uint8)).save(tmp_path / "roi.png")
    keys = {"roi": str(tmp_path / "roi.png"), "epochs": 2, "code": 4, "quiet": True}
    model = isthmus.train("detect", good, out=tmp_path / "run", **keys).model
    x = pictures(4, 7)
    found, loaded = model.detect(x, unit=True), isthmus.load(tmp_path / "run")
    assert detector_of(loaded) is not None
    assert torch.equal(detector_of(loaded).roi, mask)
    for seen in (x, with_other_outside(x, mask, 1)):
        assert torch.equal(loaded.detect(seen, unit=True).score, found.score)
