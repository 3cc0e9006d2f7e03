"""Palettes, tables of colors, gray in three channels, alpha."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.labels import SIZE, as_read, boxes, opened
from PIL import Image

from isthmus.errors import BadInput
from isthmus.metrics.segmentation import IGNORE


def test_a_palette_keeps_its_indices_and_offers_255_as_ignored(save, pictures: Path) -> None:
    image = Image.fromarray(boxes(1, 15, 255), "P")
    image.putpalette([0, 0, 0, 128, 0, 0, *range(3, 255)] + [0] * 510)
    for name in "abc":
        save(image, f"masks/{name}.png")
    labels = opened(pictures.parent / "masks", pictures)
    assert labels.classes.values == [0, 1, 15, 255]
    assert labels.understood.endswith("palette PNG with 4 values (0, 1, 15, 255)")
    assert labels.classes.palette is not None
    assert labels.classes.palette[3:6] == [128, 0, 0]
    assert any("ignore=255" in note for note in labels.notes)
    ignored = opened(pictures.parent / "masks", pictures, ignore=255)
    assert ignored.classes.values == [0, 1, 15]
    assert (ignored.read("a.jpg").classes == IGNORE).sum() == 25
    assert ignored.classes.table[-1]["pixels"] == 75
    assert not any("ignore=255" in note for note in ignored.notes)


def test_colors_need_a_table(save, pictures: Path) -> None:
    colors = np.array([(0, 0, 0), (128, 64, 128), (60, 40, 222)], np.uint8)
    for name in "abc":
        save(colors[boxes(1, 2)], f"masks/{name}.png")
    masks = pictures.parent / "masks"
    with pytest.raises(BadInput, match=r"masks of 3 colors \(0,0,0; .*128,64,128.*labelmap.txt"):
        opened(masks, pictures)
    table = {"sky": "0,0,0", "road": (128, 64, 128), "lane": [60, 40, 222]}
    labels = opened(masks, pictures, colors=table)
    assert labels.classes.names == ["sky", "road", "lane"]
    assert np.array_equal(as_read(labels), colors[boxes(1, 2)])
    with pytest.raises(BadInput, match=r"a.png: color 60,40,222 in 25 pixels is not in the table .*2 more files"):
        opened(masks, pictures, colors={"sky": "0,0,0", "road": "128,64,128"})
    ignored = opened(masks, pictures, colors={"sky": "0,0,0", "road": "128,64,128"}, ignore="60,40,222")
    assert (ignored.read("a.jpg").classes == IGNORE).sum() == 25


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "labelmap.txt",
            "# label:color_rgb:parts:actions\nsky:0,0,0::\nroad:128,64,128::\nlane line:60,40,222:a,b:run\n",
        ),
        ("label_colors.txt", "0 0 0\t\tsky\n128 64 128\t\troad\n60 40 222\t\tlane line\n"),
        ("class_dict.csv", "name,r,g,b\nsky,0,0,0\nroad,128,64,128\nlane line,60,40,222\n"),
        ("colors.csv", "r,g,b,name\n0,0,0,sky\n128,64,128,road\n60,40,222,lane line\n"),
    ],
)
def test_tables_of_colors_beside_the_masks(save, pictures: Path, name: str, text: str) -> None:
    colors = np.array([(0, 0, 0), (128, 64, 128), (60, 40, 222)], np.uint8)
    for each in "abc":
        save(colors[boxes(1, 2)], f"masks/{each}.png")
    (pictures.parent / "masks" / name).write_text(text)
    labels = opened(pictures.parent / "masks", pictures)
    assert labels.classes.names == ["sky", "road", "lane line"]
    assert labels.classes.values == [tuple(color) for color in colors.tolist()]


def test_a_gray_level_of_color_masks_is_ignored(save, pictures: Path) -> None:
    colors = np.array([(0, 0, 0), (128, 64, 128), (255, 255, 255)], np.uint8)
    for name in "abc":
        save(colors[boxes(1, 2)], f"masks/{name}.png")
    labels = opened(pictures.parent / "masks", pictures, colors={"sky": "0,0,0", "road": "128,64,128"}, ignore=255)
    assert labels.classes.ignore == (255, 255, 255)
    assert (labels.read("b.jpg").classes == IGNORE).sum() == 25


def test_pngs_of_few_bits_and_gray_in_three_channels(save, pictures: Path) -> None:
    for name in "abc":
        save(Image.fromarray(boxes(1, 1) > 0), f"bits/{name}.png")
        save(np.repeat(boxes(255, 9)[..., None], 3, -1), f"gray/{name}.png")
    assert opened(pictures.parent / "bits", pictures).classes.values == [0, 1]
    gray = opened(pictures.parent / "gray", pictures)
    assert gray.classes.values == [0, 9, 255]
    assert np.array_equal(as_read(gray), boxes(255, 9))


def test_alpha_is_left_out_with_a_note(save, pictures: Path) -> None:
    for name in "abc":
        save(np.stack([boxes(255), np.full(SIZE, 128, np.uint8)], -1), f"masks/{name}.png")
    labels = opened(pictures.parent / "masks", pictures)
    assert labels.classes.values == [0, 255]
    assert any("label files with an alpha channel, which is not used: 3" in note for note in labels.notes)
