"""`isthmus evaluate` of a run of segment: the parts of the training, other folders, ignored and unknown values."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.discs import make_run, write_set
from PIL import Image

import isthmus
from isthmus.cli import main
from isthmus.errors import BadInput, Reading
from isthmus.metrics.segmentation import SegmentationScores

pytestmark = pytest.mark.usefixtures("one_thread")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_the_metrics_are_those_of_the_written_label_maps(binary: Path, tmp_path: Path) -> None:
    out = isthmus.segment(binary / "run", binary / "x", out=tmp_path / "out")
    scores = SegmentationScores(["0", "255"])
    for path in sorted((binary / "y").iterdir()):
        scores.add(pixels(path) // 255, pixels(out / path.name) // 255)
    figures = isthmus.evaluate(binary / "run", binary / "x", masks=binary / "y", split="all")
    expected = scores.result()
    assert expected.pop("images") == figures["items"] == 12
    assert {key: figures[key] for key in expected} == expected


def test_the_reading_of_the_masks_is_told_with_the_counts_of_these_masks(
    binary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_set(tmp_path, 3)
    areas = []
    for path in (tmp_path / "y").iterdir():  # 1 instead of 255, which the run reads alike
        Image.fromarray(mask := pixels(path) // 255).save(path)
        areas.append(int((mask > 0).sum()))
    with pytest.warns(Reading, match=rf"y/: 8-bit PNG with 2 values[^\0]*\n  255 +1 +255 +{sum(areas):,} .* 3$"):
        isthmus.evaluate(binary / "run", tmp_path / "x", masks=tmp_path / "y")
    command = ["evaluate", *map(str, (binary / "run", tmp_path / "x", "--masks", tmp_path / "y"))]
    told = []
    for arguments in (command, [*command, "--json"]):
        with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        told.append("value  class" in capsys.readouterr().err)
    assert told == [True, False]


def test_of_the_training_folder_the_held_back_part_counts(binary: Path) -> None:
    figures = isthmus.evaluate(binary / "run")
    kept = json.loads((binary / "run" / "metrics.json").read_text(encoding="utf-8"))["segmentation"]
    assert (figures["split"], figures["items"]) == ("validation", 2)
    assert figures["dice"] == kept["dice"]
    everything = isthmus.evaluate(binary / "run", binary / "x", split="all")
    assert everything["items"] == 12
    assert isthmus.evaluate(binary / "run", binary / "x", split="train", first=3)["items"] == 3
    with pytest.raises(BadInput, match="unknown split 'test'"):
        isthmus.evaluate(binary / "run", binary / "x", split="test")


def test_a_folder_of_its_own_needs_masks(binary: Path, tmp_path: Path) -> None:
    write_set(tmp_path, 3)
    with pytest.raises(BadInput, match="needs masks to compare with; --masks PATH names them"):
        isthmus.evaluate(binary / "run", tmp_path / "x")
    assert isthmus.evaluate(binary / "run", tmp_path / "x", masks=tmp_path / "y")["items"] == 3


def test_an_unknown_value_is_named_with_its_file_and_count(tmp_path: Path) -> None:
    write_set(tmp_path, 5)
    for path in (tmp_path / "y").iterdir():
        Image.fromarray((pixels(path) // 255 * 7).astype(np.uint8)).save(path)
    make_run(tmp_path, "values", epochs=0.1)
    mask = pixels(tmp_path / "y" / "02.png").copy()
    mask[:2, :3] = 9
    Image.fromarray(mask).save(tmp_path / "y" / "02.png")
    with pytest.raises(BadInput, match=r"02\.png: value 9 in 6 pixels is no class of the run; accepted are 0, 7"):
        isthmus.evaluate(tmp_path / "run", tmp_path / "x", masks=tmp_path / "y", split="all")


def test_ignored_pixels_do_not_count_in_metrics(tmp_path: Path) -> None:
    write_set(tmp_path, 6)
    for path in (tmp_path / "y").iterdir():
        mask = (pixels(path) > 0).astype(np.uint8)
        mask[:, :20] = 200  # nobody has labeled these
        Image.fromarray(mask).save(path)
    make_run(tmp_path, "values", epochs=3, ignore="200")
    before = isthmus.evaluate(tmp_path / "run", tmp_path / "x", masks=tmp_path / "y", split="all")
    assert before["per_class"]["1"]["pixels"] + before["per_class"]["0"]["pixels"] == 6 * 48 * 44
    for path in (tmp_path / "x").iterdir():  # whatever is predicted there
        image = pixels(path).copy()
        image[:, :4] = 255 - image[:, :4]
        Image.fromarray(image).save(path)
    after = isthmus.evaluate(tmp_path / "run", tmp_path / "x", masks=tmp_path / "y", split="all")
    assert after["dice"] == pytest.approx(before["dice"], abs=0.02)


def test_empty_masks_that_are_predicted_empty_count_as_right(binary: Path, tmp_path: Path) -> None:
    for kind in ("x", "y"):
        (tmp_path / kind).mkdir()
    Image.fromarray(np.full((48, 64), 60, np.uint8)).save(tmp_path / "x" / "0.png")
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(tmp_path / "y" / "0.png")
    shutil.copy(binary / "x" / "01.png", tmp_path / "x" / "1.png")
    shutil.copy(binary / "y" / "01.png", tmp_path / "y" / "1.png")
    figures = isthmus.evaluate(binary / "run", tmp_path / "x", masks=tmp_path / "y")
    alone = isthmus.evaluate(binary / "run", binary / "x", masks=binary / "y", split="all")
    assert figures["items"] == 2
    assert figures["dice"] > 0.9
    assert "an image without any class counts as 1" in figures["protocol"]
    assert alone["protocol"] == figures["protocol"]


def test_a_mask_of_another_size_is_refused_by_name(binary: Path, tmp_path: Path) -> None:
    write_set(tmp_path, 2)
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(tmp_path / "y" / "01.png")
    with pytest.raises(BadInput, match=r"y/01\.png: 10×10 pixels, and .*x/01\.png has 64×48"):
        isthmus.evaluate(binary / "run", tmp_path / "x", masks=tmp_path / "y")


def test_noise_is_for_restoration(binary: Path) -> None:
    with pytest.raises(BadInput, match="sigma and corruption: are for restoration; this is a run of segment"):
        isthmus.evaluate(binary / "run", binary / "x", sigma=25)
