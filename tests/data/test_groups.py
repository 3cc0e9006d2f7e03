"""Groups of files: each stays in one part of the split, in training, at --resume and in evaluate."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus import evaluate, train
from isthmus.cli import main
from isthmus.data import choose_parts, open_data, with_groups
from isthmus.data.base import Data
from isthmus.data.groups import note_on_sequences
from isthmus.errors import BadInput

KEYS = {"code": 2, "epochs": 1, "quiet": True, "device": "cpu"}


@pytest.fixture
def slices(save, rng) -> Path:
    """Four slices of each of ten patients."""
    for patient in range(10):
        for number in range(4):
            path = save(rng.integers(0, 255, (8, 8), np.uint8), f"slices/p{patient:02}/p{patient:02}_{number}.png")
    return path.parent.parent


def patients(data: Data, rows: np.ndarray) -> set[str]:
    return {data.names[row].partition("/")[0] for row in rows}


def apart(data: Data, parts: dict[str, np.ndarray]) -> bool:
    sets = [patients(data, rows) for rows in parts.values()]
    rows = np.sort(np.concatenate(list(parts.values())))
    return sum(map(len, sets)) == len(set.union(*sets)) and rows.tolist() == list(range(len(data)))


@pytest.mark.parametrize("pattern", [r"^(p\d+)/", r"p\d+", r"(?P<who>p\d\d)_\d+\.png"])
def test_a_regular_expression_groups_by_its_first_group_or_match(slices: Path, pattern: str) -> None:
    data = with_groups(open_data(slices), pattern)
    for seed in range(5):
        parts = choose_parts(data, seed=seed, validation=0.2, test=0.2)
        assert apart(data, parts)
        assert [len(parts[name]) for name in ("train", "validation", "test")] == [24, 8, 8]
    assert any("10 groups of up to 4 files" in note for note in data.notes)
    assert not apart(data, choose_parts(open_data(slices), validation=0.2, test=0.2))


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("suffix", [".png", ""])
def test_a_table_groups_files(slices: Path, tmp_path: Path, delimiter: str, suffix: str) -> None:
    rows = [delimiter.join(("age", "File", "group"))]
    names = [name.removesuffix(".png") + suffix for name in open_data(slices).names]
    rows += [delimiter.join(("7", name, f"hospital {int(name[1:3]) % 3}")) for name in names[:36]]
    (tmp_path / "g.csv").write_text("\n".join(rows), encoding="utf-8-sig")
    data = with_groups(open_data(slices), tmp_path / "g.csv")
    assert len(np.unique(data.pictures[:36])) == 3
    assert len(np.unique(data.pictures[36:])) == 4  # files without a group are groups of their own
    assert any("3 groups of up to 12 files, 4 files of none" in note for note in data.notes)


def test_patches_follow_the_group_of_their_file(save, rng) -> None:
    for film in "ab", "cd", "ef", "gh":
        for number in range(2):
            path = save(rng.integers(0, 255, (70, 90), np.uint8), f"films/{film}_{number}.png")
    data = with_groups(open_data(path.parent, cut=32), r"^\w\w")
    parts = choose_parts(data, validation=0.25, test=0.25)
    films = [{data.names[row][:2] for row in rows} for rows in parts.values()]
    assert len(data) > 8
    assert sorted(map(len, films)) == [1, 1, 2]
    assert len(set.union(*films)) == 4


def test_validation_of_an_official_training_part_keeps_groups(slices: Path) -> None:
    data = with_groups(open_data(slices), r"^p\d\d")
    data.parts = {"test": np.arange(36, 40)}
    parts = choose_parts(data, validation=0.3)
    assert apart(data, parts)
    assert parts["test"].tolist() == [36, 37, 38, 39]
    assert len(parts["validation"]) == 12


@given(st.integers(1, 60), st.integers(0, 9))
def test_without_groups_the_split_of_an_official_part_is_as_before(count: int, seed: int) -> None:
    data = open_data(np.zeros((count + 3, 4), np.float32))
    data.parts = {"test": np.arange(3)}
    parts = choose_parts(data, seed=seed, validation=0.2)
    order = np.random.RandomState(seed).permutation(count) + 3
    held = max(0, min(max(round(0.2 * count), 1 if count >= 3 else 0), count - 1))
    assert parts["validation"].tolist() == sorted(order[:held])
    assert parts["train"].tolist() == sorted(order[held:])


def test_faults_are_said_in_one_line(slices: Path, tmp_path: Path) -> None:
    data = open_data(slices)
    (tmp_path / "gone.csv").write_text("file,group\np00/p00_0.png,a\nx.png,b\ny.png,b\n")
    (tmp_path / "columns.csv").write_text("name,patient\na.png,1\n")
    for groups, told in (
        ("(", "not a regular expression"),
        ("patient", "no match in the file names, such as p00/p00_0.png"),
        ("p", "all files are in one group"),
        (tmp_path / "none.csv", "none.csv: cannot be read as a table of groups"),
        (tmp_path / "gone.csv", r"gone.csv: files that are not in the data: 2 \(x.png, y.png\)"),
        (tmp_path / "columns.csv", "has the columns name,patient; columns file and group"),
    ):
        with pytest.raises(BadInput, match=told) as caught:
            with_groups(data, groups)
        assert "\n" not in str(caught.value)
    with pytest.raises(BadInput, match="items have no file names"):
        with_groups(open_data(np.zeros((9, 4), np.float32)), "a")


def test_a_run_keeps_its_groups(slices: Path, tmp_path: Path) -> None:
    table = tmp_path / "g.csv"
    names = list(open_data(slices).names)
    table.write_text("file,group\n" + "\n".join(f"{name},{name[:3]}" for name in names))
    run = train("undercomplete", slices, out=tmp_path / "run", groups=table, **KEYS)
    assert apart(run.data, run.parts)
    assert run.model.about["asked"]["groups"] == str(table)
    table.write_text("file,group\n" + "\n".join(f"{name},{name[-5]}" for name in names))  # another table now
    again = train("undercomplete", slices, out=tmp_path / "run", resume=True, **KEYS | {"epochs": 1})
    assert {name: rows.tolist() for name, rows in again.parts.items()} == {
        name: rows.tolist() for name, rows in run.parts.items()
    }
    assert evaluate(tmp_path / "run", slices)["items"] == len(run.parts["test"])
    with pytest.raises(BadInput, match="was made with groups="):
        train("undercomplete", slices, out=tmp_path / "run", resume=True, groups="p", **KEYS)


def test_a_model_without_a_run_folder_keeps_its_groups(slices: Path) -> None:
    from isthmus import create, fit
    from isthmus.inference.inputs import parts_of

    data = with_groups(open_data(slices), r"^p\d\d")
    model = create("undercomplete", shape=data.shape, code=2)
    run = fit(model, data, epochs=1, quiet=True, device="cpu")
    parts = parts_of(open_data(slices), run.model)
    assert {name: rows.tolist() for name, rows in parts.items()} == {
        name: rows.tolist() for name, rows in run.parts.items()
    }


def test_the_command_takes_groups(slices: Path, tmp_path: Path) -> None:
    options = ["--code", "2", "--epochs", "1", "--groups", r"^p\d\d"]
    with pytest.raises(SystemExit) as ended:
        main(["train", "undercomplete", str(slices), "--out", str(tmp_path / "run"), *options])
    assert not ended.value.code
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["about"]["asked"]["groups"] == r"^p\d\d"


@pytest.mark.parametrize(
    ("names", "note"),
    [
        ([f"{film}_{number:06}.png" for film in ("0001TP", "Seq05VD") for number in range(6690, 7500, 30)], True),
        ([f"p{patient}/slice{number}.tif" for patient in range(4) for number in range(12)], True),
        ([f"frame_{number:04}.png" for number in range(40)], True),
        ([f"{number * 25:05}.jpg" for number in range(40)], True),
        ([f"{number}.png" for number in range(30)], False),
        ([f"img_{number:03}.png" for number in range(30)], False),
        ([f"{hex(number * 7919)[2:]}x.png" for number in range(30)], False),
        (["a.png", "b.png"], False),
    ],
)
def test_names_of_frames_are_noted(names: list[str], note: bool) -> None:
    text = note_on_sequences(names)
    assert (text is not None) == note
    assert note_on_sequences([f"{name}#{top},0" for name in names for top in (0, 64)]) == text
    if text is not None and "one sequence" in text:
        assert "--groups FILE.csv" in text
    elif text is not None:
        pattern = text.partition("--groups '")[2].partition("'")[0]
        groups = {match[1] for name in names if (match := re.search(pattern, name))}
        assert 1 < len(groups) < len(names) / 3
    assert note_on_sequences([]) is None
