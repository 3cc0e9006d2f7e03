"""Restoration of files and folders: names, resume, masks, refused outputs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.nn.functional as F
from helpers.restoration import StandIn, files, finder, nearest, negative, noise
from PIL import Image

import isthmus
from isthmus.errors import BadInput, Note
from isthmus.media.image_file import Info, read_photo, write_photo
from isthmus.media.photo import Photo


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_photo_keeps_all_that_is_not_noise(deep: bool, channels: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    alpha = np.maximum(noise(9, 11, deep=deep), 1)  # color that is hidden may change
    write_photo(f"a.{suffix}", Photo(noise(9, 11, channels, deep=deep), alpha, Info(exif.tobytes(), b"", (300, 300))))
    isthmus.denoise(f"a.{suffix}", model=negative(channels), out=f"b.{suffix}")
    before, after = read_photo(f"a.{suffix}"), read_photo(f"b.{suffix}")
    assert after.pixels.dtype == before.pixels.dtype
    assert np.array_equal(after.pixels, np.iinfo(before.pixels.dtype).max - before.pixels)
    assert np.array_equal(after.alpha, alpha)
    assert b"Maker" in after.info.exif
    assert after.info.dpi == pytest.approx((300, 300), abs=0.1)


def test_a_panorama_and_a_single_pixel() -> None:
    write_photo("wide.png", Photo(np.broadcast_to(noise(1, 30000, 3), (20, 30000, 3)).copy()))
    write_photo("tiny.png", Photo(noise(1, 1, 1)))
    blur = StandIn(lambda x: F.avg_pool2d(x, 3, 1, 1), reach=1, stride=8)
    for name in ("wide.png", "tiny.png"):
        isthmus.denoise(name, model=blur, out=f"clean-{name}", best=True)
        assert read_photo(f"clean-{name}").size == read_photo(name).size
    isthmus.upscale("tiny.png", model=nearest(4), out="large.png")
    assert np.array_equal(read_photo("large.png").pixels, np.full((4, 4, 1), read_photo("tiny.png").pixels[0, 0, 0]))


def test_a_folder_becomes_a_folder_with_the_same_names(folder: Path) -> None:
    rows: list[dict[str, Any]] = []
    with pytest.warns(Note) as told:
        isthmus.denoise(folder, model=negative(), out="out", each=rows.append)
    said = " ".join(str(warning.message) for warning in told)
    assert "1 broken of 5 files skipped: broken.png (not a picture)" in said
    assert "1 .heic left out" in said
    assert files(Path("out")) == ["a.jpg.png", "a.png", "more/b.tif", "more/c.png"]
    assert read_photo("out/more/b.tif").deep
    assert np.array_equal(read_photo("out/a.png").pixels, 255 - read_photo(folder / "a.png").pixels)
    assert [row["file"] for row in rows] == ["a.jpg", "a.png", "more/b.tif", "more/c.tif"]
    with pytest.raises(BadInput, match="exists already"):
        isthmus.denoise(folder, model=negative(), out="out")


def test_a_result_is_named_after_its_own_input_also_when_it_comes_later(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_photo(tmp_path / "in/a.jpg", Photo(np.full((16, 16, 3), 60, np.uint8)))
    isthmus.denoise(tmp_path / "in", model=negative(), out="later")
    assert files(Path("later")) == ["a.png"]
    write_photo(tmp_path / "in/a.png", Photo(np.full((16, 16, 3), 200, np.uint8)))
    isthmus.denoise(tmp_path / "in", model=negative(), out="later", resume=True)
    assert files(Path("later")) == ["a.jpg.png", "a.png"]
    assert read_photo("later/a.png").pixels.max() == 55
    assert read_photo("later/a.jpg.png").pixels.min() >= 190


def test_finished_results_stay_and_resume_does_the_rest(folder: Path) -> None:
    """After Ctrl-C, or an error in the middle."""
    (folder / "broken.png").unlink()
    (folder / "phone.heic").unlink()

    def stop(row: dict[str, Any]) -> None:
        if row["file"] == "more/b.tif":
            raise KeyboardInterrupt

    with pytest.warns(Note, match="out: 2 of 4 images are done; .* --resume"), pytest.raises(KeyboardInterrupt):
        isthmus.denoise(folder, model=negative(), out="out", each=stop)
    assert files(Path("out")) == ["a.jpg.png", "a.png"]
    rows: list[dict[str, Any]] = []
    with pytest.raises(BadInput, match="out: exists already; choose another path, or --resume continues"):
        isthmus.denoise(folder, model=negative(), out="out")
    isthmus.denoise(folder, model=negative(), out="out", resume=True, each=rows.append)
    assert [row["file"] for row in rows] == ["more/b.tif", "more/c.tif"]
    assert files(Path("out")) == ["a.jpg.png", "a.png", "more/b.tif", "more/c.png"]
    isthmus.denoise(folder, model=negative(), out="out", resume=True, each=rows.append)
    assert len(rows) == 2  # all are there, and this is no error
    isthmus.denoise(folder, model=negative(), out="out", resume=True, side_by_side=True, each=rows.append)
    assert len(rows) == 6  # these were not
    for keys, says in (
        ({"force": True, "resume": True}, "only one of them"),
        ({"out": "out/a.png"}, "is an image name"),
    ):
        with pytest.raises(BadInput, match=says):
            isthmus.denoise(folder, **{"model": negative(), "out": "out", **keys})
    never = StandIn(lambda x: pytest.fail("worked"))
    isthmus.denoise(folder / "a.jpg", model=never, out="out/a.png", resume=True)


def test_results_that_lie_in_the_folder_are_not_restored_again(folder: Path) -> None:
    (folder / "broken.png").unlink()
    (folder / "phone.heic").unlink()
    for _ in range(2):
        isthmus.denoise(folder, model=negative(), out=folder / "clean", force=True)
    assert files(folder / "clean") == ["a.jpg.png", "a.png", "more/b.tif", "more/c.png"]
    assert np.array_equal(read_photo(folder / "clean/a.png").pixels, 255 - read_photo(folder / "a.png").pixels)


def test_masks_and_sheets_never_write_over_a_picture() -> None:
    write_photo("in/a.png", Photo(noise(5, 5, 3)))
    write_photo("in/a-mask.png", Photo(noise(5, 5, 3)))
    isthmus.unwatermark("in", model=finder(), out="out", save_mask=True, side_by_side=True)
    assert len(files(Path("out"))) == 6
    assert np.array_equal(read_photo("out/a-mask.png").pixels, read_photo("in/a-mask.png").pixels)


def test_a_folder_of_masks_goes_with_a_folder_of_pictures(folder: Path) -> None:
    for name, size in (("a.png", (9, 12)), ("more/b.png", (8, 8))):
        write_photo(Path("masks") / name, Photo(np.eye(*size, dtype=np.uint8)[..., None] * 255))
    with pytest.warns(Note) as told:
        isthmus.inpaint(folder, "masks", model=negative(), out="out")
    said = " ".join(str(warning.message) for warning in told)
    assert "3 broken of 5" in said
    assert "more/c.tif (there is no mask of this name in masks)" in said
    assert "a.png (" in said  # which is 5×7 and has the name of a.jpg's mask
    assert files(Path("out")) == ["a.jpg.png", "more/b.tif"]
    before = read_photo(folder / "more/b.tif").pixels
    expected = np.where(np.eye(8, dtype=bool)[..., None], 65535 - before, before)
    assert np.array_equal(read_photo("out/more/b.tif").pixels, expected)
    with pytest.raises(BadInput, match="none of 5 images"), warnings.catch_warnings(record=True):
        isthmus.inpaint(folder, np.eye(50), model=negative(), out="none")
    assert not Path("none").exists()
    assert not [name for name in Path().iterdir() if name.name.startswith(".")]


def test_existing_outputs_are_refused_before_the_work() -> None:
    write_photo("a.png", Photo(noise(5, 5, 3)))
    write_photo("there.png", Photo(noise(5, 5, 3)))
    write_photo("b-side-by-side.png", Photo(noise(5, 5, 3)))
    Path("folder").mkdir()
    never = StandIn(lambda x: pytest.fail("worked"))
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("a.png", {"out": "there.png"}, "exists already"),
        ("a.png", {"out": "b.png", "side_by_side": True}, "b-side-by-side.png: exists already"),
        ("a.png", {"out": "b.gif"}, "it can end in .png"),
        ("a.png", {"out": "folder"}, "it can end in .png"),
        ("folder", {"out": "out"}, "is empty"),
        ("folder", {"out": "out.png"}, "is an image name"),
        ("folder", {}, "out is needed"),
        ("nothing.png", {"out": "b.png"}, "no such file"),
    ]
    for source, keys, says in cases:
        with pytest.raises(BadInput, match=says) as error:
            isthmus.denoise(source, model=never, **keys)
        assert "\n" not in str(error.value)
    for bad, says in (("nowhere", "nowhere: neither a run folder"), ("folder", "config.json is missing")):
        with pytest.raises(BadInput, match=says):
            isthmus.denoise("a.png", model=bad, out="b.png")
