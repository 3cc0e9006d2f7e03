"""Shards: tar files of pictures are the same data as the folder they were packed from, near or behind an address."""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from isthmus.cli import main
from isthmus.data import base, open_data, write_shards
from isthmus.data import shards as module
from isthmus.errors import BadInput


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(save, rng) -> Path:
    """23 color and gray pictures 9×11, some in a folder below."""
    for i in range(23):
        shape = (9, 11) if i % 5 == 0 else (9, 11, 3)
        save(rng.integers(0, 256, shape, np.uint8), f"photos/{'more/' if i % 3 else ''}{i:02d}.png")
    return save(rng.integers(0, 256, (9, 11, 3), np.uint8), "photos/last.bmp").parent


@pytest.fixture
def packed(folder: Path, tmp_path: Path) -> Path:
    return write_shards(folder, tmp_path / "packed", per_shard=5)


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


def names_of(packed: Path) -> list[str]:
    """The members of all shards in the order of the items."""
    return [name for tar in sorted(packed.glob("*.tar")) for name, _, _ in module.members_of(tar)]


def same_as_folder(packed: Path, folder: Path, **asked: Any) -> None:
    ours, theirs = open_data(packed, **asked), open_data(folder, **asked)
    assert (len(ours), ours.shape, ours.dtype, ours.range) == (len(theirs), theirs.shape, theirs.dtype, theirs.range)
    names = names_of(packed)
    assert sorted(names) == sorted(theirs.names)
    rows = [list(theirs.names).index(name) for name in names]
    assert torch.equal(ours.batch(np.arange(len(ours))), theirs.batch(rows))


# -- the same as the folder --


@pytest.mark.parametrize("asked", [{}, {"size": 6}, {"gray": True}, {"size": 20, "gray": True}], ids=str)
def test_shards_are_the_folder_they_were_packed_from(asked: dict[str, Any], packed: Path, folder: Path) -> None:
    same_as_folder(packed, folder, **asked)
    assert open_data(packed).notes == []


def test_gray_pictures_stay_gray_and_16_bits_stay_16_bits(save, rng, tmp_path: Path) -> None:
    for i in range(7):
        save(rng.integers(0, 256, (5, 6), np.uint8), f"gray/{i}.png")
        save(rng.integers(0, 65536, (5, 6)).astype(np.uint16), f"deep/{i}.{'png' if i % 2 else 'tif'}")
    for name, shape, dtype in (("gray", (1, 5, 6), torch.uint8), ("deep", (1, 5, 6), torch.uint16)):
        packed = write_shards(tmp_path / name, tmp_path / f"{name}-packed", per_shard=3)
        assert (open_data(packed).shape, open_data(packed).dtype) == (shape, dtype)
        same_as_folder(packed, tmp_path / name)


def test_mixed_sizes_and_the_shape_of_a_trained_run(save, rng, tmp_path: Path) -> None:
    for i in range(6):
        save(rng.integers(0, 256, (8 + i, 10, 3), np.uint8), f"photos/{i}.jpg", quality=95)
    folder = tmp_path / "photos"
    packed = write_shards(folder, tmp_path / "packed", per_shard=2)
    assert open_data(packed).shape == (3, 64, 64)
    assert "mixed sizes" in open_data(packed).notes[0]
    same_as_folder(packed, folder)
    same_as_folder(packed, folder, like={"shape": [1, 8, 8], "range": [0, 255]})
    same_as_folder(packed, folder, like={"shape": [3, 8, 8], "range": [0, 65535]})
    with pytest.raises(BadInput, match="holds pictures, but this run takes sequences of 6×24"):
        open_data(packed, like={"shape": [6, 24], "range": [0, 1]})


def test_packing_is_deterministic_and_refuses_invalid_input(folder: Path, packed: Path) -> None:
    again = write_shards(folder, packed.parent / "again", per_shard=5)
    assert (again / "index.json").read_text() == (packed / "index.json").read_text()
    told = json.loads((packed / "index.json").read_text())
    assert [shard["count"] for shard in told["shards"]] == [5, 5, 5, 5, 4]
    assert names_of(packed) != sorted(names_of(packed)), "in an order drawn once"
    with pytest.raises(BadInput, match="packed: exists already"):
        write_shards(folder, packed)
    (packed.parent / "empty").mkdir()
    with pytest.raises(BadInput, match="empty: holds no pictures"):
        write_shards(packed.parent / "empty", packed.parent / "out")
    assert not (packed.parent / "out").exists()


def test_items_come_in_any_order_and_as_views(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = open_data(packed).batch(np.arange(24))
    monkeypatch.setattr(base, "MEMORY_BUDGET", 0)
    data = open_data(packed)
    assert not data.in_memory
    rows = np.random.default_rng(0).integers(0, 24, 60)  # some of them twice
    assert torch.equal(data.batch(rows), whole[rows])
    assert torch.equal(data.subset([23, 0, 7]).batch([-1, 0]), whole[[7, 23]])
    assert data.batch([]).shape == (0, 3, 9, 11)
    assert open_data(packed, first=3).source["count"] == 3
    with pytest.raises(IndexError):
        data.batch([24])


# -- tar files of somebody else --


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


# -- an index that lies --


def test_16_bit_color_of_a_ppm_is_refused_too(tmp_path: Path) -> None:
    data = b"P6 2 2 65535\n" + np.full(12, 300, ">u2").tobytes()
    tar_of(tmp_path / "tars" / "0.tar", {"a.ppm": data})
    with pytest.raises(BadInput, match=r"0\.tar/a\.ppm: 16-bit color"):
        open_data(tmp_path / "tars")


def index(packed: Path) -> dict[str, Any]:
    return json.loads((packed / "index.json").read_text())


def rewrite(packed: Path, told: Any) -> None:
    (packed / "index.json").write_text(told if isinstance(told, str) else json.dumps(told))


@pytest.mark.parametrize("told", ["", "{", "[]", "3", '{"format": 1}', '{"shards": 3}'])
def test_an_index_that_is_none(told: str, packed: Path) -> None:
    rewrite(packed, told)
    with pytest.raises(BadInput, match=r"packed: index\.json cannot be read") as error:
        open_data(packed)
    assert "\n" not in str(error.value)


def test_a_shard_that_is_gone(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MEMORY_BUDGET", 0)
    data = open_data(packed)
    (packed / "shard-00003.tar").unlink()
    assert len(data.batch([0, 23])) == 2
    with pytest.raises(BadInput, match=r"shard-00003\.tar"):
        data.batch([0, 16])


def test_wrong_lengths_change_no_picture(packed: Path, folder: Path) -> None:
    told = index(packed)
    for shard, length in zip(told["shards"], (0, 1, 10**18, 5, 7), strict=True):
        shard["bytes"] = length
    rewrite(packed, told)
    same_as_folder(packed, folder)


@pytest.mark.parametrize("count", [0, 4, 6, 100])
def test_an_index_that_counts_wrongly(count: int, packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MEMORY_BUDGET", 0)
    told = index(packed)
    told["shards"][1]["count"] = count
    rewrite(packed, told)
    data = open_data(packed)
    with pytest.raises(BadInput, match=rf"shard-00001\.tar: holds 5 pictures, not {count} as in index.json$"):
        data.items.members(1)


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "../elsewhere.tar"},
        {"name": "/etc/elsewhere.tar"},
        {"count": -1},
        {"count": 2.5},
        {"count": "5"},
        {"bytes": None},
        {"sha256": "../../elsewhere"},
        {"sha256": None},
    ],
    ids=str,
)
def test_an_invalid_index(entry: dict[str, Any], packed: Path, server: Server) -> None:
    told = index(packed)
    told["shards"][2] |= entry
    rewrite(packed, told)
    for place in (server.address, *([] if "sha256" in entry else [packed])):
        with pytest.raises(BadInput, match=r"index\.json cannot be read") as error:
            open_data(place)
        assert "\n" not in str(error.value)


def test_the_index_of_another_library(packed: Path) -> None:
    rewrite(packed, {"version": 2, "shards": [{"raw_data": {"basename": "shard.00000.mds"}, "samples": 5}]})
    with pytest.raises(BadInput, match=r"index\.json cannot be read"):
        open_data(packed)


# -- behind an address --


class Server:
    """A folder behind http on this machine. `asked` counts the files that were sent; `cut` sends half of each."""

    def __init__(self, folder: Path) -> None:
        self.asked: Counter[str] = Counter()
        self.cut = False
        server = self

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def copyfile(self, source: Any, outputfile: Any) -> None:
                server.asked[self.path.lstrip("/")] += 1
                data = source.read()
                outputfile.write(data[: len(data) // 2] if server.cut else data)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server(packed: Path) -> Iterator[Server]:
    own = Server(packed)
    yield own
    own.stop()


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    """Where shards from an address are kept."""
    return tmp_path / "cache" / "shards"


def test_shards_behind_an_address_are_fetched_once(server: Server, folder: Path, packed: Path, fetched: Path) -> None:
    data, near = open_data(server.address), open_data(packed)
    assert data.source["path"] == server.address
    for _ in range(2):
        assert torch.equal(data.batch(np.arange(24)), near.batch(np.arange(24)))
    again = open_data(server.address + "/")  # in another process, another day
    assert torch.equal(again.batch([23, 0]), near.batch([23, 0]))
    assert again.source == data.source
    assert {name: n for name, n in server.asked.items() if name != "index.json"} == {
        f"shard-{i:05d}.tar": 1 for i in range(5)
    }
    assert len(list(fetched.glob("*.tar"))) == 5
    assert not list(fetched.glob(".*"))


def test_downloaded_shards_are_read_without_the_server(server: Server) -> None:
    data = open_data(server.address)
    data.batch([0, 5])
    server.stop()
    assert data.batch([4, 9]).shape == (2, 3, 9, 11)
    with pytest.raises(BadInput, match=r"http://.*/shard-00003\.tar: cannot be fetched \(.+\)$") as error:
        data.batch([0, 15])
    assert "\n" not in str(error.value)
    with pytest.raises(BadInput, match=r"http://.*/index\.json: cannot be fetched") as error:
        open_data(server.address)
    assert "\n" not in str(error.value)


def test_a_server_that_breaks_off_leaves_no_half_shard(server: Server, fetched: Path) -> None:
    data = open_data(server.address)
    server.cut = True
    with pytest.raises(BadInput, match=r"shard-00002\.tar: ") as error:
        data.batch([10])
    assert "\n" not in str(error.value)
    assert len(list(fetched.glob("*.tar"))) == 1
    assert not list(fetched.glob(".*"))
    server.cut = False
    assert len(data.batch([10])) == 1, "the next try takes it anew"


def test_a_wrong_checksum_is_refused(server: Server, packed: Path, fetched: Path) -> None:
    path = packed / "shard-00001.tar"
    whole = bytearray(path.read_bytes())
    whole[700] ^= 1
    path.write_bytes(whole)
    data = open_data(server.address)
    with pytest.raises(BadInput, match=r"shard-00001\.tar: is not what index\.json says \(its sha256 differs\)"):
        data.batch([5])
    assert len(list(fetched.glob("*.tar"))) == 1
    assert len(data.batch([0, 10])) == 2


def test_an_address_without_shards(server: Server) -> None:
    with pytest.raises(BadInput, match=r"http://.*/nothing/index\.json: cannot be fetched"):
        open_data(f"{server.address}/nothing")
    with pytest.raises(BadInput, match=r"nosuchkind://x/index\.json: "):
        open_data("nosuchkind://x")


def test_the_shard_cache_is_bounded(
    server: Server, packed: Path, fetched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = index(packed)["shards"]
    monkeypatch.setattr(module, "CACHE_BYTES", sum(shard["bytes"] for shard in told[:3]))
    data, near = open_data(server.address), open_data(packed)
    small, middle, large = sorted(range(3), key=lambda i: told[i]["sha256"])  # not by name, but by use
    for shard in (small, large, middle, small, 3, 4):
        assert torch.equal(data.batch([5 * shard]), near.batch([5 * shard]))
        assert sum(path.stat().st_size for path in fetched.glob("*.tar")) <= module.CACHE_BYTES
        time.sleep(0.01)
    assert {path.stem for path in fetched.glob("*.tar")} == {told[i]["sha256"][:32] for i in (small, 3, 4)}
    assert torch.equal(data.batch([5 * large]), near.batch([5 * large])), "what was removed is fetched again"
    assert server.asked[f"shard-{large:05d}.tar"] == 2


# -- from the command line --


@pytest.fixture
def isthmus(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """isthmus("train", ...) -> (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return int(exit.value.code or 0), out, err

    return run


@pytest.mark.parametrize("near", [True, False], ids=["folder", "address"])
def test_every_verb_takes_shards(isthmus: Any, packed: Path, server: Server, near: bool) -> None:
    place = "packed" if near else server.address
    code, out, _ = isthmus("show", place, "--json", "--out", "sheet.png")
    facts = json.loads(out)
    assert (code, facts["items"], facts["shape"]) == (0, 24, [3, 9, 11])
    code, out, err = isthmus("train", "undercomplete", place, "--out", "run", "--epochs", "1", "--size", "8", "--json")
    assert (code, json.loads(out)["status"]) == (0, "done"), err
    assert isthmus("embed", "run", place, "--out", "codes.npz")[0] == 0
    with np.load("codes.npz") as codes:
        assert codes["codes"].shape[0] == 24
        assert codes["files"][23] == "23"
    assert isthmus("reconstruct", "run", place, "--out", "rebuilt")[0] == 0
    assert sorted(os.listdir("rebuilt")) == [f"{i:02d}.png" for i in range(24)]
    code, out, _ = isthmus("evaluate", "run", place, "--json")
    assert (code, json.loads(out)["split"], json.loads(out)["items"]) == (0, "test", 2)


def test_errors_are_one_line_with_exit_code_2(isthmus: Any, packed: Path) -> None:
    path = packed / "shard-00004.tar"
    path.write_bytes(path.read_bytes()[:600])
    for arguments in (["show", "packed"], ["train", "undercomplete", "packed", "--out", "run", "--epochs", "1"]):
        code, out, err = isthmus(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "shard-00004.tar: truncated or damaged tar file" in err
    assert not Path("run").exists()
