"""Labels of images from tables: two columns, several, and the attributes of CelebA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isthmus.data import open_data, with_labels
from isthmus.data.item_labels import item_labels
from isthmus.errors import BadInput

NAMES = ("a.png", "b.png", "more/c.png")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / name)
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("text", "column", "labels"),
    [
        ("a.png,cat\nb.png,dog\nmore/c.png,cat\n", "", ["cat", "dog", "cat"]),
        ("file,label\nmore/c.png,dog\na.png,cat\nb.png,dog\nother.png,cow\n", "", ["cat", "dog", "dog"]),
        ("file;size;label\na.png;3;cat\nb.png;4;dog\nmore/c.png;5;cat\n", "", ["cat", "dog", "cat"]),
        ("file\tkind\tage\na.png\tcat\t1\nb.png\tdog\t7\nmore/c.png\tcat\t7\n", ":age", ["1", "7", "7"]),
        (
            "3\nSmiling Male\na.png 1 -1\nb.png -1  1\nmore/c.png  1  1\n",
            ":Smiling",
            ["Smiling", "not Smiling", "Smiling"],
        ),
        ("file,glasses\na.png,0\nb.png,1\nmore/c.png,0\n", "", ["not glasses", "glasses", "not glasses"]),
    ],
)
def test_labels_are_read_by_the_names_of_files(
    text: str, column: str, labels: list[str], photos: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text(text, encoding="utf-8-sig")
    data = with_labels(open_data(photos), f"{table}{column}")
    order = [NAMES.index(name) for name in data.names]
    found = item_labels(data)
    assert found is not None
    assert found.tolist() == [labels[number] for number in order]
    assert item_labels(data.subset(np.array([2]))) == found[2]


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("a.png,cat\nb.png,dog\n", "", "no label for 1 of 3 images, such as more/c.png"),
        ("file,one,two\na.png,1,2\nb.png,1,2\nmore/c.png,1,2\n", "", "several columns of labels; name one"),
        ("file,one,two\na.png,1,2\nb.png,1,2\nmore/c.png,1,2\n", ":tow", "two"),
        ("x.png,cat\n", "", "names no image of the data"),
        ("", "", "names no image of the data"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(text: str, column: str, says: str, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(BadInput, match=says):
        with_labels(open_data(photos), f"{tmp_path / 't.csv'}{column}")


def test_a_table_that_is_missing_or_binary_is_refused(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00\x81")
    for name in ("t.csv", "nowhere.csv"):
        with pytest.raises(BadInput, match="cannot be read as a table of labels"):
            with_labels(open_data(photos), tmp_path / name)
