"""One detector for all products of a line: TOP/PRODUCT/train/good, TOP/PRODUCT/test/KIND, as MVTec AD lies on disk."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import isthmus
from isthmus.data import anomaly_folders, choose_parts

pytestmark = [pytest.mark.jobs, pytest.mark.filterwarnings("ignore::isthmus.errors.Note")]
SIDE = 32
COUNTS = {"bottle": 40, "nut": 20}


class Edges(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        across = torch.nn.functional.pad((x[..., 1:] - x[..., :-1]).abs(), (1, 0))
        return torch.nn.functional.avg_pool2d(torch.cat([x, across], 1), 4)


def pictures(product: str, count: int, seed: int) -> np.ndarray:
    """Vertical stripes of bottles and horizontal ones of nuts, with noise."""
    stripes = 60 * np.sin(np.arange(SIDE) * 0.8)
    plain = np.tile(stripes, (SIDE, 1)) if product == "bottle" else np.tile(stripes[:, None], (1, SIDE))
    noise = np.random.default_rng(seed).normal(0, 5, (count, SIDE, SIDE))
    return (120 + plain + noise).clip(0, 255).astype(np.uint8)


def save(folder: Path, images: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:03d}.png")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("line")
    for seed, (product, count) in enumerate(COUNTS.items()):
        save(top / product / "train/good", pictures(product, count, seed))
        save(top / product / "test/good", pictures(product, 8, 10 + seed))
        defects = pictures(product, 6, 20 + seed)
        defects[:, 8:16, 8:16] = 250
        save(top / product / "test/hole", defects)
        save(top / product / "ground_truth/hole", np.where(defects == 250, 255, 0).astype(np.uint8))
    # A bottle of the stripes of nuts is no normal bottle, which a model of all products can hardly know.
    save(top / "bottle/test/turned", pictures("nut", 6, 30))
    return top


@pytest.fixture(scope="module")
def model(line: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("runs") / "line"
    keys = {"features": Edges(), "kind": "nearest-patches", "smooth": 1, "share": 0.05}
    return isthmus.train("detect", line, out=out, validation=0.25, test=0.1, quiet=True, **keys).model


def test_the_products_are_found_and_noted(line: Path) -> None:
    layout = anomaly_folders(line)
    assert layout.products == ["bottle", "nut"]
    assert (
        "2 products (bottle, nut), 60 normal to learn from, 16 normal to test, 18 anomalous, 12 masks" in layout.summary
    )
    assert layout.open().notes[0] == layout.summary
    assert {layout.product_of(image.path) for image in layout.judged if image.kind == "turned"} == {"bottle"}
    assert anomaly_folders(line / "nut").products == ()
    assert len(anomaly_folders(line / "nut/train/good").learned) == COUNTS["nut"]


def test_every_part_has_its_share_of_each_product(line: Path, model: Any) -> None:
    for seed in range(5):
        data = anomaly_folders(line).open()
        parts = choose_parts(data, seed=seed, validation=0.25, test=0.1)
        assert sorted(np.concatenate(list(parts.values()))) == list(range(60))
        for part, counts in (("validation", {"bottle": 10, "nut": 5}), ("test", {"bottle": 4, "nut": 2})):
            assert Counter(data.names[row].split("/")[0] for row in parts[part]) == counts
    recorded = json.loads((model.path / "parts.json").read_text())
    assert Counter(name.split("/")[0] for name in recorded["validation"]) == {"bottle": 10, "nut": 5}


def test_metrics_of_each_product_and_their_mean(line: Path, model: Any) -> None:
    found = isthmus.evaluate(model, line)
    of: Mapping[str, Mapping[str, float]] = found["per_product"]
    assert set(of) == {"bottle", "nut"}
    for name in ("image_auroc", "pixel_auroc", "aupro"):
        assert found[f"mean_{name}"] == pytest.approx(np.mean([figures[name] for figures in of.values()]))
    assert set(found["per_kind"]) == {"bottle/hole", "bottle/turned", "nut/hole"}
    assert found["per_kind"]["bottle/hole"] == found["per_kind"]["nut/hole"] == 1.0
    for product in of:  # the same numbers as of the folder of the product alone
        alone = isthmus.evaluate(model, line / product)
        assert "per_product" not in alone
        assert {name: alone[name] for name in of[product]} == pytest.approx(dict(of[product]))
    assert (found["good"], found["bad"]) == (16, 18)


def test_without_normal_test_images_those_of_the_split_of_that_product_are_used(line: Path, model: Any) -> None:
    hidden = (line / "nut/test/good").rename(line.parent / "hidden")
    try:
        found = isthmus.evaluate(model, line)
    finally:
        hidden.rename(line / "nut/test/good")
    assert (found["good"], found["bad"]) == (8 + 2, 18)
    assert found["per_product"]["nut"]["image_auroc"] == 1.0


def test_new_images_of_any_product_are_detected(line: Path, model: Any) -> None:
    for product in COUNTS:
        new = pictures(product, 6, 40)
        assert model.detect(new).bad.sum() <= 1
        new[:, 20:28, 4:12] = 10
        assert model.detect(new).bad.all()


def test_images_of_no_product_are_noted_and_a_single_product_is_taken_as_it_is(line: Path, tmp_path: Path) -> None:
    save(tmp_path / "nut/train/good", pictures("nut", 3, 0))
    save(tmp_path / "nut/test/hole", pictures("nut", 2, 0))
    save(tmp_path / "manual", pictures("nut", 2, 0))
    layout = anomaly_folders(tmp_path)
    assert (layout.top, len(layout.learned), layout.kinds, layout.products) == (tmp_path / "nut", 3, ["hole"], ())
    assert layout.notes == [f"{tmp_path}: 2 pictures (manual/000.png, …) belong to no product and are left out"]
    assert layout.open().notes[:2] == [layout.summary, *layout.notes]
