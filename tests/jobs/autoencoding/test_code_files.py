"""Codes as files: the suffix says which, labels of class folders come along."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import isthmus
from isthmus import BadInput


@pytest.fixture
def classes(tmp_path: Path, digits: np.ndarray) -> Path:
    for place, digit in enumerate(digits[:6]):
        folder = tmp_path / "set" / ("cats" if place < 4 else "dogs")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digit[0]).save(folder / f"{place}.png")
    return tmp_path / "set"


def test_class_folders_are_labels(run_of: Callable[[str], Path], classes: Path, tmp_path: Path) -> None:
    isthmus.embed(run_of("conv"), classes, out=tmp_path / "codes.npz")
    with np.load(tmp_path / "codes.npz", allow_pickle=False) as found:
        assert found["labels"].tolist() == ["cats"] * 4 + ["dogs"] * 2
        assert found["files"].tolist()[0] == "cats/0.png"
    assert "labels" not in isthmus.embed(run_of("conv"), classes / "cats")
    found = isthmus.embed(run_of("conv"), "digits", first=3)
    assert isinstance(found, dict)
    assert found["labels"].dtype.kind == "i"


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_table_of_codes_is_a_table(run_of: Callable[[str], Path], classes: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"codes.{suffix}"
    isthmus.embed(run_of("quantized"), classes, out=out)
    known = isthmus.embed(run_of("quantized"), classes)
    assert isinstance(known, dict)
    with out.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="," if suffix == "csv" else "\t")
    count, symbols = known["codes"].shape[1], known["indices"][0].size
    assert header == ["file", "label", *[f"code_{i}" for i in range(count)], *[f"index_{i}" for i in range(symbols)]]
    assert [row[:2] for row in rows][4:] == [["dogs/4.png", "dogs"], ["dogs/5.png", "dogs"]]
    numbers = np.array([row[2 : 2 + count] for row in rows], dtype=np.float32)
    assert np.array_equal(numbers, known["codes"])  # to the bit
    assert np.array_equal(np.array([row[2 + count :] for row in rows], int), known["indices"].reshape(6, -1))


def test_npy_holds_the_codes_alone_and_decodes(run_of: Callable[[str], Path], classes: Path, tmp_path: Path) -> None:
    out = isthmus.embed(run_of("conv"), classes, out=tmp_path / "codes.npy")
    assert np.load(tmp_path / "codes.npy").shape == (6, 8)
    assert len(isthmus.decode(run_of("conv"), out)) == 6  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["codes.txt", "codes", "codes.parquet"])
def test_another_suffix_is_refused_before_any_work(run_of: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=r"accepted are \.npz, \.npy, \.csv, \.tsv"):
        isthmus.embed(run_of("conv"), "nowhere", out=tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("heading", "ids"),
    [("id", [f"S{n:03d}" for n in range(60)]), ("nr", [str(100 + n) for n in range(60)]), ("", None)],
)
def test_codes_of_a_table_have_its_labels_and_its_ids(heading: str, ids: list[str] | None, tmp_path: Path) -> None:
    rows = np.random.RandomState(0).randn(60, 2)
    words = [["ok", "worn", "new"][n % 3] for n in range(60)]
    before = [f"{one}," for one in ids] if ids else [""] * 60
    lines = [f"{b}{x:.4f},{y:.4f},{word}" for b, (x, y), word in zip(before, rows, words, strict=True)]
    header = ",".join(name for name in (heading, "a", "b", "state") if name)
    (tmp_path / "t.csv").write_text("\n".join([header, *lines]))
    model = isthmus.train(
        "undercomplete", tmp_path / "t.csv", labels="state", out=tmp_path / "run", epochs=1, quiet=True
    ).model
    isthmus.embed(model, tmp_path / "t.csv", out=tmp_path / "c.npz")
    found = np.load(tmp_path / "c.npz", allow_pickle=False)
    assert found["labels"].tolist() == words
    assert (found["ids"].tolist() if "ids" in found else None) == ids
    isthmus.embed(model, tmp_path / "t.csv", out=tmp_path / "c.csv", first=2)
    first = (tmp_path / "c.csv").read_text().splitlines()
    assert first[0].startswith("file,id,label,code_0" if ids else "file,label,code_0")
    assert first[2].startswith(f"00001,{ids[1]},worn," if ids else "00001,worn,")
    assert isthmus.decode(model, tmp_path / "c.csv").shape == (2, 2)
