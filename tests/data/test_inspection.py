"""Folders of good parts and bad ones, in the ways that people have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isthmus.data.inspection import inspected


def folder(top: Path, *names: str) -> Path:
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(top / name)
    return top


def told(top: Path, where: Path) -> list[tuple[str, str, str | None]]:
    return [
        (
            one.path.relative_to(top).as_posix(),
            one.kind,
            None if one.mask is None else one.mask.relative_to(top).as_posix(),
        )
        for one in inspected(where).judged
    ]


@pytest.mark.parametrize("given", [".", "train", "train/good"])
def test_the_way_of_mvtec_from_wherever_it_is_named(tmp_path: Path, given: str) -> None:
    top = folder(
        tmp_path / "screw",
        "train/good/000.png",
        "test/good/000.png",
        "test/thread/000.png",
        "test/thread/001.png",
        "ground_truth/thread/000_mask.png",
    )
    found = inspected(top / given)
    assert (found.top, found.good, found.kinds) == (top, top / "train/good", ["thread"])
    assert told(top, top / given) == [
        ("test/good/000.png", "good", None),
        ("test/thread/000.png", "thread", "ground_truth/thread/000_mask.png"),
        ("test/thread/001.png", "thread", None),
    ]


@pytest.mark.parametrize("good", ["good", "OK", "Normal"])
@pytest.mark.parametrize("inside", [False, True])
def test_good_beside_what_is_bad(tmp_path: Path, good: str, inside: bool) -> None:
    top = folder(tmp_path, f"{good}/a.png", "bad/b.png", "crack/c.jpg", "crack/c.png", "masks/bad/b.png")
    found = inspected(top / good if inside else top)
    assert (found.top, found.good, found.kinds) == (top, top / good, ["bad", "crack"])
    assert told(top, found.good) == [
        ("bad/b.png", "bad", "masks/bad/b.png"),
        ("crack/c.jpg", "crack", "crack/c.png"),
    ]


def test_a_flat_folder_is_good_all_of_it(tmp_path: Path) -> None:
    top = folder(tmp_path, "a.png", "more/b.png")
    assert (inspected(top).good, inspected(top).judged) == (top, [])


def test_a_training_part_alone_has_nothing_to_judge(tmp_path: Path) -> None:
    top = folder(tmp_path, "train/good/a.png")
    assert (inspected(top).good, inspected(top).judged) == (top / "train/good", [])


def test_another_folder_of_that_set_is_what_it_is(tmp_path: Path) -> None:
    top = folder(tmp_path, "train/good/a.png", "test/thread/b.png")
    assert inspected(top / "test/thread").good == top / "test/thread"
