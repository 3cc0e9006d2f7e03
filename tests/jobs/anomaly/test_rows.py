"""Rows of tables that break no relation between columns, but are more extreme than any normal row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import isthmus
from isthmus.jobs.anomaly.detector import Detector, detector_of
from isthmus.jobs.anomaly.distances import Deviation


def test_deviation_standardizes_each_column_and_floors_the_spread_of_a_constant_one() -> None:
    random = torch.Generator().manual_seed(0)
    rows = torch.randn(500, 3, generator=random) * torch.tensor([0.2, 0.1, 0.0]) + 0.5
    found = Deviation.fit(rows)(torch.tensor([[0.5, 0.5, 0.5], [1.1, 0.5, 0.5], [0.5, 0.5, 0.56]]))
    torch.testing.assert_close(found, torch.tensor([0.0, 3.0, 3.0]), atol=0.4, rtol=0.0)


def test_a_proportionally_extreme_row_is_detected_by_default_also_after_loading(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    load = random.uniform(size=(300, 1))
    rows = load * [3000, 10, 0.01] + [100, 20, 0.01] + random.normal(size=(300, 3)) * [300, 1, 0.001]
    run = isthmus.train("detect", rows, out=tmp_path / "run", epochs=2, quiet=True, widths=(16,))
    assert "deviation" in detector_of(run.model).settings.parts
    far = np.array([[3.0 * 3000 + 100, 3.0 * 10 + 20, 3.0 * 0.01 + 0.01]])
    score = run.model.detect(far).score
    assert score > run.model.detect(rows).score.max()
    model = isthmus.load(tmp_path / "run")
    assert isinstance(detector_of(model), Detector)
    torch.testing.assert_close(model.detect(far).score, score)
