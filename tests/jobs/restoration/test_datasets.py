"""Restoration of a built-in set, an array file, and a part of a folder."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

import isthmus
from isthmus.data import open_data
from isthmus.errors import BadInput, Note
from isthmus.media.image_file import read_photo, write_photo
from isthmus.media.photo import Photo

RANDOM = np.random.default_rng(0)


class Net(nn.Module):
    """The negative of a picture, `scale` times as large."""

    reach, stride, shape = 3, 1, (1, 16, 16)

    def __init__(self, scale: int = 1) -> None:
        super().__init__()
        self.scale = scale

    def restore(self, x: Tensor) -> Tensor:
        return 1 - F.interpolate(x, scale_factor=self.scale, mode="nearest")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_part_of_a_built_in_set() -> None:
    data = open_data("digits")
    digits = data.batch(data.parts["test"]).numpy()[:7]  # 0..16
    found = isthmus.denoise("digits", model=Net(), split="test", first=7)
    assert np.array_equal(found, 16 - digits)
    isthmus.denoise("digits", model=Net(), split="test", first=7, out="some.npy")
    assert np.array_equal(np.load("some.npy"), 16 - digits)
    assert np.load("some.npy").dtype == np.uint8
    rows: list[dict[str, Any]] = []
    isthmus.denoise("digits", model=Net(), split="test", first=3, out="some", side_by_side=True, each=rows.append)
    names = [row["file"] for row in rows]
    assert names == list(data.subset(data.parts["test"]).names)[:3]
    for name, digit in zip(names, digits, strict=False):
        shown = read_photo(f"some/{name}.png").pixels[..., 0]
        assert np.abs(shown - 255 * (1 - digit[0] / 16)).max() <= 0.51
        assert Path(f"some/{name}-side-by-side.png").is_file()
    isthmus.upscale("digits", model=Net(2), first=4, out="grid.png")
    with Image.open("grid.png") as image:
        assert min(image.size) >= 32


@pytest.mark.parametrize("shape", [(5, 9, 11), (5, 1, 9, 11), (5, 3, 9, 11), (5, 9, 11, 3), (5, 9, 11, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.int64])
def test_an_array_file_gives_the_same_kind_of_array(shape: tuple[int, ...], dtype: Any) -> None:
    whole, white = np.dtype(dtype).kind != "f", {np.uint16: 65535}.get(dtype, 255)
    x = RANDOM.integers(0, white + 1, shape).astype(dtype) if whole else RANDOM.uniform(0, 1, shape).astype(dtype)
    x.flat[0] = white if whole else 1
    if shape[-1] == 4:
        x[..., 3] = np.maximum(x[..., 3], 1 if whole else 0.1)  # for hidden color is filled
    np.save("x.npy", x)
    isthmus.denoise("x.npy", model=Net(), out="y.npy")
    expected = (white if whole else 1) - x
    if shape[-1] == 4:
        expected[..., 3] = x[..., 3]  # which is alpha
    found = np.load("y.npy")
    assert found.shape == shape
    assert found.dtype == (np.uint8 if dtype == np.int64 else dtype)
    assert np.allclose(found, expected, atol=0 if whole else 1e-6)
    np.savez("x.npz", x=x)
    assert np.array_equal(isthmus.denoise("x.npz", model=Net(), first=2), found[:2])
    large = isthmus.upscale("x.npy", model=Net(2))
    assert large.shape == tuple(2 * side if side in (9, 11) else side for side in shape)


def test_the_truth_of_a_set_is_the_item_of_the_same_number() -> None:
    x = RANDOM.integers(0, 256, (6, 9, 11), dtype=np.uint8)
    x[0, 0, 0] = 255
    np.save("x.npy", x)
    np.save("truth.npy", 255 - x)
    rows: list[dict[str, Any]] = []
    isthmus.denoise("x.npy", model=Net(), out="out", truth="truth.npy", each=rows.append)
    assert [row["psnr"] for row in rows] == [np.inf] * 6
    assert all(np.isfinite(row["psnr_before"]) for row in rows)
    assert np.array_equal(read_photo("out/00004.png").pixels[..., 0], 255 - x[4])


def test_a_part_of_a_folder() -> None:
    for i in range(10):
        write_photo(f"in/{i}.png", Photo(RANDOM.integers(0, 256, (16, 16, 1), dtype=np.uint8)))
    isthmus.denoise("in", model=Net(), first=3, out="three")
    assert sorted(path.name for path in Path("three").iterdir()) == ["0.png", "1.png", "2.png"]
    with pytest.raises(BadInput, match="unknown split 'test'"):
        isthmus.denoise("in", model=Net(), split="test", out="none")
    model = isthmus.create("denoise", shape=(1, 16, 16), channels=(4,), blocks=(1,))
    isthmus.fit(model, "in", out="run", epochs=1, test=0.2, device="cpu", quiet=True)
    isthmus.denoise("in", model="run", split="test", out="tested")
    assert len(list(Path("tested").iterdir())) == 2
    isthmus.denoise("in", model="run", split="all", out="all")
    assert len(list(Path("all").iterdir())) == 10


def test_data_other_than_images_are_refused_in_one_line() -> None:
    np.save("rows.npy", np.zeros(20))
    np.save("x.npy", np.eye(9)[None])
    write_photo("a.png", Photo(np.zeros((5, 5, 1), np.uint8)))
    never = Net()
    never.restore = lambda x: pytest.fail("worked")  # type: ignore[method-assign, assignment]
    cases: list[tuple[Any, dict[str, Any], str]] = [
        ("rows.npy", {}, "rows.npy: an array of 1 dimensions"),
        ("digits", {"split": "tset"}, "unknown split 'tset': did you mean 'test'"),
        ("digits", {"first": 0}, "first is 0"),
        ("digits", {"out": "a.png"}, "a.png: exists already"),
        ("digits", {"out": "a.txt"}, "unsupported output format .txt"),
        ("x.npy", {"out": "y.npy", "side_by_side": True}, "need a folder as out"),
        ("missing.npy", {}, "missing.npy: no such file"),
        ("a.png", {"split": "test"}, "the input is neither"),
        (np.eye(9), {"first": 1}, "the input is neither"),
    ]
    for source, keys, says in cases:
        with pytest.raises(BadInput, match=says) as error:
            isthmus.denoise(source, model=never, **keys)
        assert "\n" not in str(error.value)
    assert sorted(path.name for path in Path().iterdir()) == ["a.png", "rows.npy", "x.npy"]


@pytest.mark.parametrize(
    ("shape", "meant"), [((20, 30), "H×W"), ((20, 30, 3), "H×W×C"), ((3, 20, 30), "C×H×W"), ((2, 20, 30), "")]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_an_array_of_one_picture_is_read_and_written_as_one(shape: tuple[int, ...], meant: str, dtype: Any) -> None:
    x = (np.arange(np.prod(shape)).reshape(shape) % 100).astype(dtype)
    x = x / dtype(100) if dtype is np.float32 else x
    np.save("x.npy", x)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", Note)
        isthmus.denoise("x.npy", model=Net(), out="y.npy")
    notes = [str(one.message) for one in told]
    read_as = [note for note in notes if "is read as" in note]
    assert [note.partition(";")[0] for note in read_as] == [
        f"x.npy: {'×'.join(map(str, shape))} is read as one picture {meant}" for _ in meant[:1]
    ]
    assert ("3 gray ones are accepted as 3×1×H×W" in "".join(notes)) == (meant == "C×H×W")
    found = np.load("y.npy")
    assert (found.shape, found.dtype) == (x.shape, x.dtype)
    assert np.array_equal(found, isthmus.denoise(x if meant else x[:, None], model=Net()).reshape(shape))
    assert np.array_equal(found, isthmus.denoise("x.npy", model=Net()))
