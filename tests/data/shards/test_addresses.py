"""Shards behind an address, and shards in commands."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.shards import Server, index

from isthmus.cli import main
from isthmus.data import open_data
from isthmus.data import shards as module
from isthmus.errors import BadInput


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
