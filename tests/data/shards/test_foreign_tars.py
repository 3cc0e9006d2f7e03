"""Tar files of other programs, broken and hostile ones included."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.shards import names_of
from PIL import Image

from isthmus.data import open_data
from isthmus.errors import BadInput


def picture(shape: tuple[int, ...] = (4, 4), value: int = 7, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full(shape, value, np.uint8)).save(file, kind)
    return file.getvalue()


def tar_of(path: Path, members: dict[str, bytes | None], **header: Any) -> Path:
    """A tar file; a member without contents gets `header`: type, linkname."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            if data is None:
                for key, value in header.items():
                    setattr(info, key, value)
            info.size = len(data or b"")
            tar.addfile(info, io.BytesIO(data or b""))
    return path


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_plain_tar_without_an_index(folder: Path, tmp_path: Path) -> None:
    """As `tar cf` writes it: names begin with ./, folders have entries, and other files lie between the pictures."""
    (folder / "notes.txt").write_text("not a picture")
    (folder / "00.cls").write_text("3")
    (folder / "00.json").write_text("{}")
    (tmp_path / "theirs").mkdir()
    subprocess.run(["tar", "cf", tmp_path / "theirs" / "all.tar", "-C", folder, "."], check=True)
    data, own = open_data(tmp_path / "theirs"), open_data(folder)
    assert (len(data), data.labels, data.parts) == (24, None, {})
    names = [name.removeprefix("./") for name in names_of(tmp_path / "theirs")]
    rows = [list(own.names).index(name) for name in names]
    assert torch.equal(data.batch(np.arange(24)), own.batch(rows))
    assert {path.name for path in (tmp_path / "theirs").iterdir()} == {"all.tar"}


def test_a_webdataset_of_several_files_a_sample(tmp_path: Path) -> None:
    for shard in range(3):
        members: dict[str, bytes | None] = {}
        for i in range(shard):  # the first one is empty
            members |= {f"{i:04d}.jpg": picture(value=9 * shard, kind="JPEG"), f"{i:04d}.cls": b"5"}
            members |= {f"{i:04d}.json": b'{"caption": "x.png"}', f"{i:04d}.txt": b"a.png"}
        tar_of(tmp_path / "wds" / f"train-{shard:06d}.tar", members)
    data = open_data(tmp_path / "wds")
    assert (len(data), data.labels) == (3, None)
    assert data.batch([0, 1, 2])[:, 0, 0, 0].tolist() == [9, 18, 18]
    assert list(data.names) == ["0", "1", "2"]


def test_nothing_in_a_tar_is_ever_put_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a name or a kind of member claims: its bytes are read where they lie, or it is no picture."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    tricks: dict[str, bytes | None] = {"../outside.png": picture(value=1), f"{tmp_path}/absolute.png": picture(value=2)}
    tricks |= {"a/../../../up.png": picture(value=3), "ok.png": picture(value=4)}
    tar_of(tmp_path / "tars" / "0.tar", tricks)
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture(value=99))
    for i, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)):
        members = {"link.png": None, "ok.png": picture(value=10 + i)}
        tar_of(tmp_path / "tars" / f"{i + 1}.tar", members, type=kind, linkname=str(secret))
    before = files_below(tmp_path)
    data = open_data(tmp_path / "tars")
    assert sorted(data.batch(np.arange(len(data)))[:, 0, 0, 0].tolist()) == [1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert files_below(tmp_path) == before


def test_a_tar_next_to_images_is_ignored(folder: Path, tmp_path: Path) -> None:
    tar_of(folder / "backup.tar", {"a.png": picture()})
    assert len(open_data(folder)) == 24


@pytest.mark.parametrize("members", [{}, {"a.txt": b"x.png"}], ids=["empty", "texts"])
def test_shards_without_pictures(members: dict[str, bytes | None], tmp_path: Path) -> None:
    tar_of(tmp_path / "tars" / "0.tar", members)
    with pytest.raises(BadInput, match="tars: its shards hold no pictures"):
        open_data(tmp_path / "tars")


@pytest.mark.parametrize(
    "kept", [0, 100, 600, 700, 1024, 1100, 1600, 2048, 3000, 3072, 3300], ids=lambda kept: f"first {kept} bytes"
)
def test_a_tar_that_was_cut_off(kept: int, tmp_path: Path) -> None:
    path = tar_of(tmp_path / "tars" / "0.tar", {f"{i}.png": picture(value=i) for i in range(3)})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BadInput, match=r"0\.tar: truncated or damaged tar file \(.+\)$") as error:
        open_data(tmp_path / "tars")
    assert "\n" not in str(error.value)


def test_hidden_members_are_left_out_as_hidden_files_are(tmp_path: Path) -> None:
    members: dict[str, bytes | None] = {"./a.png": picture(value=1), "./._a.png": b"of a Mac", "b/._c.png": b"too"}
    tar_of(tmp_path / "tars" / "0.tar", members | {"b/c.png": picture(value=2)})
    assert open_data(tmp_path / "tars").batch([0, 1])[:, 0, 0, 0].tolist() == [1, 2]


def test_a_file_that_is_no_tar(tmp_path: Path) -> None:
    (tmp_path / "tars").mkdir()
    for data in (b"hello", bytes(range(256)) * 8, b"\x1f\x8b" + bytes(900)):
        (tmp_path / "tars" / "0.tar").write_bytes(data)
        with pytest.raises(BadInput, match="truncated or damaged tar file"):
            open_data(tmp_path / "tars")


def test_a_broken_picture_is_named_with_its_shard_when_it_is_read(tmp_path: Path) -> None:
    members: dict[str, bytes | None] = {f"{i:03d}.png": picture(value=i) for i in range(70)}
    members["066.png"] = b"no picture"
    members["067.png"] = picture((40, 40, 3))[:60]
    members["068.png"] = b""
    tar_of(tmp_path / "tars" / "some.tar", members)
    data = open_data(tmp_path / "tars")  # it looks at the first 64
    assert data.batch([65])[0, 0, 0, 0] == 65
    for row, why in ((66, "not a picture"), (67, "broken picture"), (68, "not a picture")):
        with pytest.raises(BadInput, match=rf"^some\.tar/0{row}\.png: {why}") as error:
            data.batch([1, row, 2])
        assert "\n" not in str(error.value)


def test_16_bit_color_is_refused_not_cut_to_8_bits(tmp_path: Path) -> None:
    import png

    file = io.BytesIO()
    png.Writer(4, 4, greyscale=False, bitdepth=16).write(file, np.full((4, 12), 300, np.uint16).tolist())
    tar_of(tmp_path / "tars" / "0.tar", {"a.png": file.getvalue()})
    with pytest.raises(BadInput, match=r"0\.tar/a\.png: 16-bit color"):
        open_data(tmp_path / "tars")


def test_16_bit_color_of_a_ppm_is_refused_too(tmp_path: Path) -> None:
    data = b"P6 2 2 65535\n" + np.full(12, 300, ">u2").tobytes()
    tar_of(tmp_path / "tars" / "0.tar", {"a.ppm": data})
    with pytest.raises(BadInput, match=r"0\.tar/a\.ppm: 16-bit color"):
        open_data(tmp_path / "tars")
