"""Heatmaps, masks and maps have the size of the files and hold the detected regions only."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from isthmus.data import open_data
from isthmus.errors import BadInput
from isthmus.jobs.anomaly.detect import white_of
from isthmus.jobs.anomaly.detector import Detector
from isthmus.jobs.anomaly.finding import Finding
from isthmus.jobs.anomaly.heatmaps import Heatmaps, SavedOutputs, resize_map
from isthmus.jobs.anomaly.settings import Settings
from isthmus.media.coco import read_coco
from isthmus.report.heat import LINE

SIZES = {"a.png": (16, 16), "b.png": (64, 32), "deep.png": (32, 48)}


def drawn(folder: Path, saved: SavedOutputs) -> Path:
    """Three files seen as 16×16; in each the map has one hot corner, and b.png is good."""
    (folder / "new").mkdir()
    for name, size in SIZES.items():
        pixels = np.full(size, 40000, np.uint16) if name == "deep.png" else np.full(size, 100, np.uint8)
        pixels[4, 4] = 0  # or all would be bright, and be scaled over what they use
        Image.fromarray(pixels).save(folder / "new" / name)
    data = open_data(folder / "new", size=16)
    nothing = torch.zeros(1, 1)
    detector = Detector(
        Settings(), {}, nothing, torch.zeros(3, 1), torch.zeros(9), level=1.0, peaks=torch.tensor([2.0])
    )
    seen = torch.zeros(3, 16, 16)
    seen[:, 8:, 8:] = 3.0
    found = Finding(torch.tensor([1.0, -1.0, 1.0]), torch.ones(3), 0.0, seen, detector.map_threshold())
    with Heatmaps(detector, folder / "out", data, stretched=True, white=65535.0, saved=saved) as maps:
        maps.add(data.floats(), found, [(float(score), "") for score in found.score])
        assert len(maps.close()) == 3
    return folder / "out"


@pytest.mark.parametrize("suffix", ["npy", "tif"])
def test_all_is_of_the_size_of_the_file(tmp_path: Path, suffix: str) -> None:
    out = drawn(tmp_path, SavedOutputs(masks=True, maps=suffix))
    for name, (height, width) in SIZES.items():
        with Image.open(out / "heatmaps" / name) as image:
            heat = np.asarray(image.convert("RGB"), int)
        values = (np.load if suffix == "npy" else tifffile.imread)((out / "maps" / name).with_suffix(f".{suffix}"))
        assert heat.shape[:2] == values.shape == (height, width)
        assert values.dtype == np.float32
        assert values[-1, -1] == 3
        assert (heat[0, 0] == heat[0, 0, 0]).all()  # normal: the picture itself
        assert abs(heat[0, 0, 0] - (156 if name == "deep.png" else 100)) <= 3
        assert np.ptp(heat[-1, -1]) > 20
        with Image.open(out / "masks" / name) as image:
            mask = np.asarray(image)
        assert mask.dtype == np.uint8
        assert mask.shape == (height, width)
        assert set(np.unique(mask)) == ({0} if name == "b.png" else {0, 255})
        assert ((heat == LINE).all(2).any()) == (name != "b.png")
        assert (mask == 255 * ((values > 2) & (name != "b.png"))).all()


def test_boxes_are_those_of_the_masks(tmp_path: Path) -> None:
    out = drawn(tmp_path, SavedOutputs(masks=True))
    pictures, kinds = read_coco(out / "boxes.json")
    assert kinds == {1: "anomaly"}
    assert {(one.file, one.height, one.width) for one in pictures} == {(name, *size) for name, size in SIZES.items()}
    for one in pictures:
        with Image.open(out / "masks" / one.file) as image:
            mask = np.asarray(image) > 0
        assert len(one.regions) == int(mask.any())
        for region in one.regions:
            assert (region.mask(one.height, one.width) == mask).all()
            assert region.score == 3
    assert json.loads((out / "boxes.json").read_text())["annotations"][0]["bbox"] == [8, 8, 8, 8]


def test_nothing_more_is_written_than_was_asked_for(tmp_path: Path) -> None:
    assert [path.name for path in drawn(tmp_path, SavedOutputs()).iterdir()] == ["heatmaps"]
    with pytest.raises(BadInput, match="npy or tif is accepted"):
        SavedOutputs(maps="jpg")


def test_a_map_of_the_center_lies_in_the_center() -> None:
    values = resize_map(np.ones((4, 4)), 8, 20, stretched=False)
    assert (values[:, 6:14] == 1).all()
    assert values.sum() == 64


def test_white_in_files_of_16_bits_is_that_of_the_run_if_it_knows_any() -> None:
    for pixels, white in ((np.uint8([[[0, 9]]]), 65535), (np.uint16([[[0, 4095]]]), None)):
        data = open_data(pixels)
        assert white_of(data) == (white or data.range[1])
