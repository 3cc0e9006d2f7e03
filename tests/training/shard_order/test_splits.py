"""Splits and trainings of shards."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.shard_order import COUNTS, homes, model, plain
from PIL import Image
from sklearn.datasets import load_digits

from isthmus import fit
from isthmus.data import base, choose_parts, open_data, read_parts, record_parts, shards_of
from isthmus.training.batches import order

RECIPE: dict[str, Any] = {"epochs": 2, "batch_size": 64, "device": "cpu", "quiet": True, "validation": 0.1, "test": 0.1}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """14 shards of 8×8 digits, of 5 to 18 pictures each, 161 in all."""
    folder = tmp_path_factory.mktemp("digits")
    pictures = iter((load_digits(return_X_y=True)[0].reshape(-1, 8, 8) * 15.9).astype(np.uint8))
    for shard in range(14):
        with tarfile.open(folder / f"{shard:03d}.tar", "w") as tar:
            for i in range(5 + shard):
                file = io.BytesIO()
                Image.fromarray(next(pictures)).save(file, "PNG")
                info = tarfile.TarInfo(f"{i}.png")
                info.size = file.tell()
                file.seek(0)
                tar.addfile(info, file)
    return folder


@pytest.mark.parametrize(
    "counts", [COUNTS["even"], COUNTS["uneven"], COUNTS["one giant"]], ids=["even", "uneven", "giant"]
)
def test_parts_consist_of_complete_shards_and_are_written_short(counts: list[int]) -> None:
    data = plain(counts)
    parts = choose_parts(data, validation=0.1, test=0.05)
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(sum(counts)))
    shards = {part: set(homes(counts)[rows]) for part, rows in parts.items()}
    assert sum(map(len, shards.values())) == len(counts), "none is of two parts"
    assert len(shards["validation"]) == round(0.1 * len(counts))
    assert len(shards["test"]) == round(0.05 * len(counts))
    recorded = record_parts(data, parts)
    assert sum(map(len, recorded.values())) < 25 * len(counts)
    assert all(np.array_equal(parts[part], rows) for part, rows in read_parts(data, recorded).items())
    again = choose_parts(data, seed=1, validation=0.1, test=0.05)
    assert not np.array_equal(again["test"], parts["test"])


def test_a_part_is_learned_from_shard_by_shard(lazily: None) -> None:
    counts = COUNTS["uneven"]
    data = plain(counts)
    train = data.subset(choose_parts(data)["train"])
    shards = shards_of(train)
    assert np.array_equal(shards, homes(counts)[choose_parts(data)["train"]])
    rows = order(train, 0, 0, 64)
    assert np.array_equal(np.sort(rows), np.arange(len(train)))
    items = train.batch(rows[:64])[:, 0]
    assert set(homes(counts)[items]) <= set(shards)


@pytest.mark.parametrize(("shards", "of_whole"), [(9, False), (10, True)])
def test_ten_shards_or_more_are_split_by_shard(shards: int, of_whole: bool) -> None:
    counts = [30] * shards
    parts = choose_parts(plain(counts), validation=0.1, test=0.1)
    assert of_whole != bool(set(homes(counts)[parts["train"]]) & set(homes(counts)[parts["test"]]))


def test_of_few_shards_items_are_held_back() -> None:
    counts = [40, 40, 40]
    parts = choose_parts(plain(counts), validation=0.1, test=0.1)
    assert {part: len(rows) for part, rows in parts.items()} == {"train": 96, "validation": 12, "test": 12}
    assert set(homes(counts)[parts["train"]]) == {0, 1, 2}


def curve(history: list[dict[str, Any]]) -> list[dict[str, float]]:
    return [{key: float(value) for key, value in row.items() if key != "seconds"} for row in history]


def test_shards_read_as_they_are_needed_train_and_resume_to_the_bit(
    digits: Path, tmp_path: Path, lazily: None, one_thread: None
) -> None:
    whole = fit(model(), str(digits), **RECIPE | {"batch_size": 16})
    stop = {"step": lambda training: os.kill(os.getpid(), signal.SIGINT) if training.step == 11 else None}
    with pytest.raises(KeyboardInterrupt):
        fit(model(), str(digits), out=tmp_path / "run", callbacks=stop, **RECIPE | {"batch_size": 16})
    resumed = fit(model(), str(digits), out=tmp_path / "run", resume=True, **RECIPE | {"batch_size": 16})
    assert not whole.data.in_memory
    assert 11 % -(-len(whole.parts["train"]) // 16), "the stop is within an epoch"
    assert curve(resumed.history) == curve(whole.history)
    for ours, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_from_the_disk_and_from_memory_hold_back_the_same(
    digits: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    held = fit(model(), str(digits), **RECIPE | {"epochs": 1})
    monkeypatch.setattr(base, "MEMORY_BUDGET", 0)
    streamed = fit(model(), str(digits), **RECIPE | {"epochs": 1})
    assert {part: rows.tolist() for part, rows in held.parts.items()} == {
        part: rows.tolist() for part, rows in streamed.parts.items()
    }
    own = shards_of(open_data(str(digits)))
    assert own is not None
    assert not set(own[held.parts["train"]]) & set(own[held.parts["validation"]])


def test_two_processes_learn_from_shards_as_one_does(digits: Path, tmp_path: Path, lazily: None) -> None:
    driver = tmp_path / "driver.py"
    driver.write_text("from isthmus.data import base\nfrom isthmus.cli import main\nbase.MEMORY_BUDGET = 0\nmain()\n")
    arguments = ["train", "undercomplete", str(digits), "--out", str(tmp_path / "two"), "--code", "4"]
    arguments += ["--epochs", "2", "--batch-size", "64", "--device", "cpu", "--devices", "2", "--validation", "0.1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, driver, *arguments], env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    one = fit(model(), str(digits), **RECIPE)
    assert not one.data.in_memory
    with (tmp_path / "two" / "history.csv").open() as file:
        two = curve(list(csv.DictReader(file)))
    assert len(two) == len(one.history) == 2
    for ours, theirs in zip(two, curve(one.history), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
