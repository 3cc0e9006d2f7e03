"""A folder becomes one set: the same every time, with its broken files named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from isthmus.data import base, open_data
from isthmus.errors import BadInput


@pytest.fixture
def photos(save, rng) -> Path:
    """Six color pictures 20×30 in nested folders, and things to be left alone."""
    for name in (
        "b.png",
        "a.PNG",
        "sub/c.bmp",
        "sub/deeper/d.tif",
        "Z.png",
        ".hidden.png",
        ".git/e.png",
        "f.webp",
    ):
        path = Path("photos", name)
        save(
            rng.integers(0, 256, (20, 30, 3), np.uint8),
            str(path),
            **({"lossless": True} if "f" in name else {}),
        )
    root = next(p for p in Path(path_of(save)).rglob("photos"))
    (root / "notes.txt").write_text("not a picture")
    return root


def path_of(save) -> Path:
    return save(np.zeros((1, 1), np.uint8), "x.png").parent


def test_a_folder_of_equal_pictures(photos: Path) -> None:
    data = open_data(photos)
    assert list(data.names) == ["Z.png", "a.PNG", "b.png", "f.webp", "sub/c.bmp", "sub/deeper/d.tif"]
    assert (data.shape, data.range, data.dtype) == ((3, 20, 30), (0, 255), torch.uint8)
    assert data.batch([0]).dtype == torch.uint8
    assert 0 <= data.floats().min() < data.floats().max() <= 1
    assert data.notes == []
    assert (data.skipped, data.parts, data.labels) == ([], {}, None)
    assert json.loads(json.dumps(data.source))["count"] == 6


def test_the_same_folder_gives_the_same_set(photos: Path) -> None:
    one, two = open_data(str(photos) + "/"), open_data(photos)
    assert torch.equal(one.floats(), two.floats())
    assert one.source["fingerprint"] == two.source["fingerprint"]
    (photos / "b.png").rename(photos / "c.png")
    assert open_data(photos).source["fingerprint"] != one.source["fingerprint"]


def test_mixed_sizes_get_64_and_a_note(photos: Path, save) -> None:
    save(np.zeros((40, 100, 3), np.uint8), "photos/wide.png")
    data = open_data(photos)
    assert data.shape == (3, 64, 64)
    assert data.notes == [
        "pictures of mixed sizes: each made 64×64 (shorter side, center crop); --size chooses another"
    ]
    assert open_data(photos, size=16).shape == (3, 16, 16)
    assert open_data(photos, size=16).notes == []


def test_gray_only_when_every_picture_is(save) -> None:
    save(np.full((4, 4), 9, np.uint8), "photos/a.png")
    folder = save(np.full((4, 4), 9, np.uint8), "photos/b.bmp").parent
    assert open_data(folder).shape == (1, 4, 4)
    save(np.full((4, 4, 3), (255, 0, 0), np.uint8), "photos/c.png")
    assert open_data(folder).shape == (3, 4, 4)
    assert open_data(folder).batch([0])[0, :, 0, 0].tolist() == [9, 9, 9]
    forced = open_data(folder, gray=True)
    assert forced.shape == (1, 4, 4)
    assert forced.batch([2])[0, 0, 0, 0] == 76  # luma of red


def test_one_deep_picture_makes_the_set_16_bit(save) -> None:
    save(np.full((4, 4), 255, np.uint8), "photos/a.png")
    folder = save(np.full((4, 4), 1234, np.uint16), "photos/b.png").parent
    data = open_data(folder)
    assert (data.dtype, data.range) == (torch.uint16, (0, 65535))
    assert data.batch([0, 1])[:, 0, 0, 0].tolist() == [65535, 1234]
    assert data.floats([0]).max() == 1


def test_broken_files_are_skipped_and_named(photos: Path) -> None:
    (photos / "b.png").write_bytes((photos / "b.png").read_bytes()[:500])
    (photos / "text.png").write_text("hello")
    (photos / "zero.jpg").write_bytes(b"")
    data = open_data(photos)
    assert len(data) == len(data.names) == len(data.floats()) == 5
    assert [name for name, _ in data.skipped] == ["b.png", "text.png", "zero.jpg"]
    assert dict(data.skipped)["text.png"] == "not a picture"
    assert "photos" not in dict(data.skipped)["b.png"]
    assert torch.equal(data.batch([2]), open_data(photos / "f.webp").batch([0])), "names and pictures stay in step"


def test_nothing_to_read(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    with pytest.raises(BadInput, match=r"photos/: is empty$"):
        open_data(folder)
    (folder / "a.txt").write_text("")
    with pytest.raises(BadInput, match=r"photos/: holds no pictures \(png, jpg, .*\); it holds \.txt"):
        open_data(folder)
    for name in ("a.png", "b.png", "c.png", "d.png"):
        (folder / name).write_text("no")
    with pytest.raises(BadInput, match=r"no picture that can be read \(4 broken: a\.png: not a picture; .*; …\)"):
        open_data(folder)
    with pytest.raises(BadInput, match=r"a\.png: not a picture$"):
        open_data(folder / "a.png")


def test_links_that_loop_do_not_hang(photos: Path) -> None:
    (photos / "sub" / "loop").symlink_to(photos, target_is_directory=True)
    (photos / "gone.png").symlink_to(photos / "nowhere.png")
    data = open_data(photos)
    assert len(data) == 6
    assert [name for name, _ in data.skipped] == ["gone.png"]


def test_linked_folders_are_followed(photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "album"
    other.mkdir()
    (other / "here").symlink_to(photos, target_is_directory=True)
    assert len(open_data(other)) == 6


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_no_permission_is_a_broken_file(photos: Path) -> None:
    (photos / "b.png").chmod(0)
    assert dict(open_data(photos).skipped)["b.png"] == "cannot be read (permission denied)"


def test_too_large_for_memory_is_served_from_the_disk(photos: Path, monkeypatch) -> None:
    whole = open_data(photos)
    monkeypatch.setattr(base, "MEMORY_BUDGET", 100)
    lazy = open_data(photos)
    assert not lazy.in_memory
    assert torch.equal(lazy.floats(), whole.floats())
    assert torch.equal(lazy.subset([4, 1]).batch([1]), whole.batch([1]))
    assert lazy.batch([]).shape == (0, 3, 20, 30)
    (photos / "b.png").write_bytes(b"gone bad")
    with pytest.raises(BadInput, match=r"b\.png: not a picture"):
        lazy.batch([0, 2])


def test_one_file_and_one_pixel(save) -> None:
    data = open_data(save(np.full((1, 1), 51, np.uint8), "dot.png"))
    assert (len(data), data.shape, list(data.names)) == (1, (1, 1, 1), ["dot.png"])
    assert data.floats().item() == pytest.approx(0.2)


def test_pictures_for_a_trained_run(photos: Path, save) -> None:
    like = {"shape": [1, 8, 8], "range": [0, 255], "gray": True}
    assert open_data(photos, like=like).shape == (1, 8, 8)
    deep = save(np.full((9, 12), 65535, np.uint16), "deep.png")
    data = open_data(deep, like=like)
    assert (data.dtype, data.batch([0]).max()) == (torch.uint8, 255)
    sixteen = open_data(photos, like={"shape": (3, 20, 30), "range": (0, 65535)})
    assert (sixteen.dtype, sixteen.range) == (torch.uint16, (0, 65535))
    assert torch.allclose(sixteen.floats(), open_data(photos).floats())
    row = open_data(deep, like={"shape": [108], "range": [0, 1]})
    assert row.floats().shape == (1, 108)
    assert row.floats().min() == 1
    with pytest.raises(BadInput, match="holds pictures, but this run takes sequences of 6×24"):
        open_data(photos, like={"shape": [6, 24], "range": [0, 1]})


def test_first(photos: Path) -> None:
    data = open_data(photos, first=2)
    assert list(data.names) == ["Z.png", "a.PNG"]
    assert data.source["count"] == 2
    with pytest.raises(BadInput, match="first 0"):
        open_data(photos, first=0)
