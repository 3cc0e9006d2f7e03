"""An index that is missing, wrong or of another library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.shards import Server, index, same_as_folder

from isthmus.data import base, open_data
from isthmus.errors import BadInput


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
