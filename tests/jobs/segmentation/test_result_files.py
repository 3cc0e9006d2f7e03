"""The files of `isthmus segment`: the values of the masks are written back, and every format holds the same labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.discs import make_run, write_set
from PIL import Image

import isthmus
from isthmus.jobs.segmentation.labels.open import open_labels

pytestmark = pytest.mark.usefixtures("one_thread")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.mark.parametrize(
    ("values", "dtype"),
    [((0, 1), np.uint8), ((0, 128, 255), np.uint8), ((205, 420, 500), np.uint16), ((3, 7), np.uint8)],
)
def test_the_original_values_are_written_back(values: tuple[int, ...], dtype: Any, tmp_path: Path) -> None:
    write_set(tmp_path, 8)
    for path in (tmp_path / "y").iterdir():
        parts = (pixels(path) > 0).astype(int)
        if len(values) == 3:  # a gray square is a class of its own
            parts[10:26, 10:26] = 2
            image = np.where(parts == 2, 120, pixels(tmp_path / "x" / path.name))
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / "x" / path.name)
        Image.fromarray(np.array(values)[parts].astype(dtype)).save(path)
    make_run(tmp_path, "values", epochs=20)
    out = isthmus.segment(tmp_path / "run", tmp_path / "x", out=tmp_path / "out")
    expected = {0, 255} if values == (0, 1) else set(values)
    found = np.stack([pixels(out / path.name) for path in sorted((tmp_path / "y").iterdir())])
    truth = np.stack([pixels(path) for path in sorted((tmp_path / "y").iterdir())])
    truth = truth * 255 if values == (0, 1) else truth
    assert set(np.unique(found)) == expected
    assert (found == truth).mean() > 0.9


@pytest.mark.parametrize("format", ["png", "tiff", "coco", "labelme"])
@pytest.mark.parametrize("kind", ["binary", "instances"])
def test_every_format_holds_the_same_labels(
    kind: str, format: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = request.getfixturevalue(kind)
    out = isthmus.segment(folder / "run", folder / "x", out=tmp_path / "out", format=format, first=3)
    plain = isthmus.segment(folder / "run", folder / "x", out=tmp_path / "plain", first=3)
    names = [f"{number:02d}.png" for number in range(3)]
    expected = [pixels(plain / name) for name in names]
    if format in ("png", "tiff"):
        found = [pixels(out / name.replace(".png", ".tif" if format == "tiff" else ".png")) for name in names]
    else:
        source = out / "boxes.json" if format == "coco" else out
        labels = open_labels(source, names, folder / "x", instances=kind == "instances")
        maps = [labels.read(name) for name in names]
        found = [each.instances if kind == "instances" else 255 * each.classes for each in maps]  # type: ignore[misc]
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one > 0, other > 0)
        if kind == "instances":
            assert len(np.unique(one)) == len(np.unique(other))
