"""Keys of a training that describe its masks: as --set parses them, and kept in the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isthmus
from isthmus.cli.values import settings
from isthmus.data import base
from isthmus.errors import BadInput, Note
from isthmus.jobs.segmentation.training_page import HeldBack


@pytest.fixture
def pairs(save, rng) -> Path:
    """Three images, and masks of a square of 128 and one of 255 on 0."""
    for name in "abc":
        save(rng.integers(0, 255, (32, 40), np.uint8), f"pairs/images/{name}.png")
        mask = np.zeros((32, 40), np.uint8)
        mask[4:12, 4:12], mask[20:28, 20:28] = 128, 255
        path = save(mask, f"pairs/masks/{name}.png")
    return path.parent.parent


def train(pairs: Path, *pairs_of_set: str) -> Any:
    keys = settings([*pairs_of_set, "channels=4,8", "epochs=1"], {})
    return isthmus.train("segment", pairs / "images", masks=pairs / "masks", out=pairs / "run", quiet=True, **keys)


@pytest.mark.parametrize(("text", "objects"), [("yes", True), ("no", False), ("auto", False)])
def test_objects_on_request(pairs: Path, text: str, objects: bool) -> None:
    model = train(pairs, f"instances={text}").model
    assert model.objective.instances is objects
    result = model.segment(np.zeros((32, 40), np.uint8))
    assert result.dtype == (np.uint16 if objects else np.uint8)


@pytest.mark.parametrize(("text", "expected"), [("auto", 0), ("2", 2), ("none", None)])
def test_the_background_is_the_chosen_class(pairs: Path, text: str, expected: int | None) -> None:
    run = train(pairs, f"background={text}")
    assert run.model.objective.background == expected
    figures = isthmus.evaluate(run.path, pairs / "images")
    classes = [of["dice"] for number, of in enumerate(figures["per_class"].values()) if number != expected]
    assert figures["dice"] == pytest.approx(np.nanmean(classes))


def test_options_without_effect_are_refused(pairs: Path) -> None:
    run = train(pairs, "background=none")
    with pytest.raises(BadInput, match="threshold: is for two classes, and the run has 3"):
        isthmus.segment(run.path, pairs / "images" / "a.png", threshold=0.4)
    with pytest.raises(BadInput, match="min_area: is for a run with a background"):
        isthmus.segment(run.path, pairs / "images" / "a.png", min_area=9)


def test_a_background_that_is_no_class(pairs: Path) -> None:
    with pytest.raises(BadInput, match=r"background=128: .* 0 \(of value 0\), 1 \(of value 128\), 2 \(of value 255\)$"):
        train(pairs, "background=128")
    with pytest.raises(BadInput, match="background=sky"):
        isthmus.create("segment", shape=(1, 32, 32), background="sky")


def test_another_number_of_classes_is_refused(pairs: Path) -> None:
    with pytest.raises(BadInput, match=r"masks: has 3 classes, not classes=5; a training counts them$"):
        train(pairs, "classes=5")
    assert train(pairs, "classes=3").model.objective.classes == 3


def test_an_image_without_a_mask_is_named(pairs: Path) -> None:
    run = train(pairs)
    (pairs / "masks/c.png").unlink()
    with pytest.warns(Note, match=r"left out of the metrics: 1 \(c\.png\)"):
        assert isthmus.evaluate(run.path, pairs / "images", masks=pairs / "masks", split="all")["items"] == 2
    with pytest.warns(Note, match=r"left out of the metrics: 1 \(c\.png\)"):
        isthmus.segment(run.path, pairs / "images", masks=pairs / "masks", out=pairs / "results")


def test_the_page_shows_class_maps_only_in_color(pairs: Path) -> None:
    page = (train(pairs).path / "index.html").read_text(encoding="utf-8")
    assert "The worst first" in page
    assert "Reconstructions" not in page  # class numbers and probabilities are no color image


def test_paths_that_are_not_there_or_empty(pairs: Path, tmp_path: Path) -> None:
    run = train(pairs)
    with pytest.raises(BadInput, match="nowhere: no such file or folder"):
        isthmus.segment(run.path, tmp_path / "nowhere", out=tmp_path / "results")
    with pytest.raises(BadInput, match="nowhere: no such folder"):
        isthmus.train("segment", tmp_path / "nowhere", out=tmp_path / "other")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="empty/: is empty"):
        isthmus.train("segment", tmp_path / "empty", out=tmp_path / "other")


def test_the_summary_names_its_classes_and_says_what_to_try() -> None:
    figures = {"images": 2, "dice": 0.5, "per_class": {"0": {"dice": 0.9}, "1": {"dice": 0.5}}}
    assert HeldBack(figures, "validation").summary() == "Dice without background, 2 images held back: 0.500"
    assert HeldBack(figures, "validation", None).summary() == "Dice, 2 images held back: 0.500"
    assert "no pixel of these classes is correct" in HeldBack({**figures, "dice": 0.0}, "train").summary()


def test_patches_beyond_the_memory_are_counted(save, rng, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(rng.integers(0, 255, (256, 256), np.uint8), "images/a.png")
    save(np.tile(np.uint8([0, 1]), (256, 128)), "masks/a.png")
    monkeypatch.setattr(base, "MEMORY_BUDGET", 5 * 2 * 32**2)
    with pytest.warns(Note, match=r"images: 5 patches of 32×32 fit into memory and are trained on; \d+ others"):
        run = isthmus.train(
            "segment",
            tmp_path / "images",
            masks=tmp_path / "masks",
            size=32,
            out=tmp_path / "run",
            epochs=1,
            quiet=True,
        )
    assert len(run.data) == 5


def test_compare_lists_the_metrics_of_segmentation(pairs: Path) -> None:
    run = train(pairs)
    (row,) = isthmus.compare([run.path])
    assert row["dice"] == pytest.approx(isthmus.evaluate(run.path)["dice"])
    assert "iou" in row


def test_larger_patches_are_learned_at_a_lower_rate() -> None:
    rates = {side: isthmus.create("segment", shape=(1, side, side)).about["training"]["lr"] for side in (64, 128, 256)}
    assert rates == {64: 2e-3, 128: 2e-3, 256: pytest.approx(5e-4)}
