"""Pictures of several sizes cut into squares: each pixel is in one, none is scaled, a picture stays in one part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from isthmus.data import base, choose_parts, open_data
from isthmus.data.patches import corners
from isthmus.media.image_reader import read_picture


@pytest.fixture
def mixed(save, rng) -> Path:
    """Twelve color pictures from 5×7 to 200×190."""
    for number in range(12):
        size = (5, 7, 3) if number == 3 else (100 + 10 * number, 190, 3)
        path = save(rng.integers(0, 256, size, np.uint8), f"mixed/{number:02}.png")
    return path.parent


def test_squares_cover_the_picture_and_overlap() -> None:
    found = corners(321, 481, 160)
    seen = np.zeros((321, 481), int)
    for top, left in found:
        seen[top : top + 160, left : left + 160] += 1
    assert seen.min() == 1
    assert len(found) == 3 * 5
    assert found.max(0).tolist() == [321 - 160, 481 - 160]
    assert corners(3, 160, 160).tolist() == [[0, 0]]
    assert len(corners(33, 32, 32)) == 2
    assert len(corners(2, 2, 1)) == 4


def test_each_square_is_a_part_of_its_picture_as_it_is(mixed: Path) -> None:
    data = open_data(mixed, cut=96)
    assert data.shape == (3, 96, 96)
    assert data.source["pictures"] == 12
    assert len(data) == len(set(data.names))
    for row, name in enumerate(data.names):
        file, _, place = name.partition("#")
        top, left = map(int, place.split(","))
        part = read_picture(mixed / file)[:, top : top + 96, left : left + 96]
        got = data.batch([row])[0].numpy()
        assert (got[:, : part.shape[1], : part.shape[2]] == part).all()
    small = data.batch([list(data.names).index("03.png#0,0")])[0].numpy()
    assert (small[:, 5:10] == small[:, :5][:, ::-1]).all()  # mirrored where it ends


def test_no_picture_is_in_two_parts(mixed: Path) -> None:
    data = open_data(mixed, cut=96)
    parts = choose_parts(data, validation=0.2, test=0.2)
    names = {part: {data.names[row].partition("#")[0] for row in rows} for part, rows in parts.items()}
    assert names["validation"]
    assert names["test"]
    assert sum(map(len, names.values())) == 12 == len(set.union(*names.values()))
    assert data.subset(parts["test"]).pictures.tolist() == data.pictures[parts["test"]].tolist()


def test_patches_over_the_memory_budget_are_sampled_evenly(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MEMORY_BUDGET", 30 * 3 * 96 * 96)
    data = open_data(mixed, cut=96)
    assert np.bincount(data.pictures).max() == 2
    assert len(data) <= 30
    assert data.in_memory
    assert any("at most 2 squares of 96×96" in note for note in data.notes)
    again = open_data(mixed, cut=96)
    assert list(again.names) == list(data.names)


def test_of_very_many_pictures_one_square_each_is_read_when_asked_for(
    mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "MEMORY_BUDGET", 5 * 3 * 96 * 96)
    data = open_data(mixed, cut=96)
    assert len(data) == 12
    assert not data.in_memory
    assert data.names[0] == "00.png"
    picture = read_picture(mixed / "05.png")
    square = data.batch([5])[0].numpy()
    places = corners(*picture.shape[1:], 96)
    assert any((picture[:, top : top + 96, left : left + 96] == square).all() for top, left in places)


def test_a_broken_picture_takes_all_its_squares_along(mixed: Path) -> None:
    whole = (mixed / "05.png").read_bytes()
    (mixed / "05.png").write_bytes(whole[: len(whole) // 2])
    data = open_data(mixed, cut=96)
    assert [name for name, _ in data.skipped] == ["05.png"]
    assert not any(name.startswith("05") for name in data.names)
    assert data.source["pictures"] == 11
    rows = list(data.names).index("06.png#0,0")
    assert (data.batch([rows])[0].numpy() == read_picture(mixed / "06.png")[:, :96, :96]).all()


def test_pictures_of_one_size_that_is_not_much_larger_stay_whole(save, rng) -> None:
    for number in range(3):
        path = save(rng.integers(0, 256, (100, 120), np.uint8), f"same/{number}.png")
    assert open_data(path.parent, cut=96).shape == (1, 100, 120)
    assert open_data(path.parent, cut=48).shape == (1, 48, 48)
    assert open_data(path.parent, cut=160).shape == (1, 100, 120)


def test_no_square_is_larger_than_every_picture(save, rng) -> None:
    for side in (12, 14, 13):
        path = save(rng.integers(0, 256, (side, side + 2), np.uint8), f"tiny/{side}.png")
    assert open_data(path.parent, cut=160).shape == (1, 14, 14)


def test_a_run_on_squares_is_evaluated_on_squares(mixed: Path, tmp_path: Path) -> None:
    from isthmus import evaluate, train

    for number in range(5, 12):
        (mixed / f"{number:02}.png").unlink()
    keys = {"channels": (8, 8), "epochs": 0.2, "quiet": True, "crop": 16}
    run = train("denoise", mixed, out=tmp_path / "run", size=64, **keys)
    assert run.model.shape == (3, 64, 64)
    assert run.model.about["data"]["cut"] == 64
    assert torch.isfinite(torch.tensor(evaluate(tmp_path / "run", mixed)["psnr"]))
    again = train("denoise", mixed, out=tmp_path / "run", size=64, resume=True, **keys)
    assert again.model.about["data"] == run.model.about["data"]


def test_fit_cuts_squares_for_a_model_that_restores(mixed: Path) -> None:
    from isthmus import create, fit

    model = create("denoise", shape=(3, 64, 64), channels=(8, 8), crop=16)
    run = fit(model, mixed, epochs=0.1, quiet=True, device="cpu")
    assert run.data.source["cut"] == 64
    assert run.data.pictures is not None
