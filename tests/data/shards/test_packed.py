"""Packed shards are the folder from which they were packed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.shards import names_of, same_as_folder

from isthmus.data import base, open_data, write_shards
from isthmus.errors import BadInput


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
