"""Pairs: each degraded item with its ground truth as the field "target", from the file to the loss."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from isthmus import evaluate, train
from isthmus.data import base, by_name, choose_parts, open_data, skipping_corrupt, with_target
from isthmus.errors import BadInput, Note

SMALL = {"channels": (8, 8), "crop": 16, "epochs": 1, "quiet": True, "size": 32, "batch_size": 4}


@pytest.fixture
def folders(save, rng) -> tuple[Path, Path]:
    """Six gray pictures of mixed sizes, half as dark as they should be; the truth has other suffixes."""
    for number in range(6):
        clean = rng.integers(0, 256, (40 + 3 * number, 50), np.uint8)
        save(clean // 2, f"dark/more/{number}.png")
        path = save(clean, f"clean/more/{number}.bmp")
    return path.parents[2] / "dark", path.parents[1]


def test_the_truth_is_the_target_of_its_item(folders: tuple[Path, Path]) -> None:
    dark, clean = (open_data(folder, cut=32) for folder in folders)
    data = with_target(dark, clean)
    assert data.shape == (1, 32, 32)
    assert data.fields["target"].kind == "image"
    assert len(data) == len(dark) > 6
    stored = data.sample(np.arange(len(data)))
    assert stored.x.dtype == torch.uint8
    assert torch.equal(stored.x, stored.target // 2)
    parts = choose_parts(data, validation=0.2, test=0.2)
    assert sum(map(len, parts.values())) == len(data)
    some = data.subset([3, 1])
    assert torch.equal(some.sample([0, 1]).target, data.sample([3, 1]).target)
    assert torch.equal(some.to("cpu").sample([1]).target, data.sample([1]).target)
    units = stored.in_units()
    assert torch.equal(units.x, data.floats())
    assert torch.equal(units.target, clean.floats())
    assert torch.equal(units.in_units().x, units.x), "scaled once"


def test_pairs_that_do_not_fit_in_memory_are_the_same(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "MEMORY_BUDGET", 100)
    dark, clean = (open_data(folder, cut=32) for folder in folders)
    data = with_target(dark, clean)
    assert not data.in_memory
    sample = data.sample([4, 2])
    assert torch.equal(sample.x, sample.target // 2)


def test_a_replacement_of_an_unreadable_file_replaces_both_fields(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "MEMORY_BUDGET", 100)
    data = skipping_corrupt(with_target(*(open_data(folder, cut=32) for folder in folders)))
    (folders[0] / "more/3.png").write_bytes(b"no image")
    (folders[1] / "more/1.bmp").write_bytes(b"no image")
    with pytest.warns(Note, match="the next picture replaces it"):
        sample = data.sample(np.arange(len(data)))
    assert torch.equal(sample.x, sample.target // 2)
    assert torch.equal(sample.x[3], sample.x[4])
    assert torch.equal(sample.x[1], sample.x[2])


def test_items_without_partner_are_named(folders: tuple[Path, Path], save, rng) -> None:
    dark, clean = folders
    (clean / "more/3.bmp").unlink()
    with pytest.raises(BadInput, match=r"holds no truth of more/3\.png"):
        with_target(open_data(dark, cut=32), open_data(clean, cut=32))
    save(rng.integers(0, 256, (400, 50), np.uint8), "clean/more/3.bmp")
    (dark / "more/3.png").unlink()
    save(rng.integers(0, 256, (200, 50), np.uint8), "dark/more/3.png")
    with pytest.raises(BadInput, match="or one of another size"):
        with_target(open_data(dark, cut=32), open_data(clean, cut=32))
    with pytest.raises(BadInput, match="but their truth is"):
        with_target(open_data(dark, cut=32), open_data(clean, cut=32, gray=False))


def test_items_without_names_are_paired_in_their_order(rng) -> None:
    x = rng.random((5, 1, 8, 8), np.float32)
    data = with_target(open_data(x), open_data(x / 2))
    assert torch.equal(data.sample([1]).target, torch.from_numpy(x[1:2] / 2))
    with pytest.raises(BadInput, match="4 items for 5"):
        by_name(open_data(x), open_data(x[:4]))


def test_a_training_on_pairs_learns_the_target_and_resumes(folders: tuple[Path, Path], tmp_path: Path) -> None:
    dark, clean = folders
    run = train("denoise", dark, truth=clean, out=tmp_path / "run", **SMALL | {"epochs": 30, "lr": 5e-3})
    assert run.model.shape == (1, 32, 32)
    figures = evaluate(tmp_path / "run", dark, truth=clean)
    assert figures["psnr"] > figures["psnr_before"] + 3  # twice as light, which even a small net can learn
    with pytest.raises(BadInput, match="--truth PATH compares with clean ones"):
        evaluate(tmp_path / "run", dark)
    again = train("denoise", dark, out=tmp_path / "run", resume=True, quiet=True)
    assert again.finished == run.finished


def test_a_run_on_pairs_of_the_first_format_loads_and_resumes(folders: tuple[Path, Path], tmp_path: Path) -> None:
    dark, clean = folders

    def stop(training: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    whole = train("denoise", dark, truth=clean, out=tmp_path / "whole", **SMALL | {"epochs": 2})
    with pytest.raises(KeyboardInterrupt):
        train("denoise", dark, truth=clean, out=tmp_path / "run", callbacks={"epoch": stop}, **SMALL | {"epochs": 2})
    config = json.loads((tmp_path / "run/config.json").read_text())
    config["model"]["corruption"] = {"name": "Paired"}
    config["about"]["asked"]["corruption"] = "paired"
    (tmp_path / "run/config.json").write_text(json.dumps(config))
    resumed = train("denoise", dark, out=tmp_path / "run", resume=True, quiet=True)
    for one, other in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_only_recipes_with_a_corruption_accept_pairs(folders: tuple[Path, Path], tmp_path: Path) -> None:
    dark, clean = folders
    with pytest.raises(BadInput, match="are for denoise and denoising, not for inpaint"):
        train("inpaint", dark, truth=clean, out=tmp_path / "run")
    with pytest.raises(BadInput, match="give only one of them"):
        train("denoise", dark, truth=clean, out=tmp_path / "run", corruption="jpeg")
    with pytest.raises(BadInput, match="corruption=none: leaves nothing to learn"):
        train("denoise", dark, out=tmp_path / "run", corruption="none")
    assert not (tmp_path / "run").exists()
