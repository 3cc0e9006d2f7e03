"""The runner, with a verb of a few lines: the same function for arrays, files, folders, films and data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from isthmus.errors import BadInput, Note
from isthmus.inference.result import MASK, Kind, Result
from isthmus.inference.runner import run
from isthmus.media.photo import Photo


def inverted(photo: Photo, name: str) -> Result:
    dark = photo.pixels.max(-1) < 128
    outputs = {"mask": dark, "count": int(dark.sum())}
    return Result(photo.replace(pixels=255 - photo.pixels), {"file": name, "dark": float(dark.mean())}, outputs)


def gray(value: int) -> np.ndarray:
    return np.full((8, 8, 3), value, np.uint8)


def test_one_function_for_every_source(tmp_path: Path) -> None:
    for name, value in (("a.png", 10), ("b.png", 200)):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(gray(value)).save(tmp_path / "in" / name)
    frames = [Image.fromarray(gray(value)) for value in (10, 20, 30)]
    frames[0].save(tmp_path / "in" / "c.gif", save_all=True, append_images=frames[1:], duration=80)
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    assert (run(gray(10), inverted, {}) == 245).all()
    assert run(gray(10), inverted, {}, kinds={"mask": MASK})[1].all()
    assert (run(tmp_path / "in" / "a.png", inverted, {}) == 245).all()
    rows: list[dict[str, Any]] = []
    skipped: list[tuple[str, str]] = []
    text = Kind(".txt", lambda path, count: path.write_text(f"{count}"))
    with pytest.warns(Note, match="1 broken of 4 files skipped: broken.png"):
        run(
            tmp_path / "in",
            inverted,
            {"out": tmp_path / "out", "each": rows.append, "skip": lambda *one: skipped.append(one)},
            kinds={"mask": MASK, "count": text},
        )
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["a-mask.png", "a.png", "a.txt", "b-mask.png", "b.png", "b.txt", "c.gif"]
    assert (tmp_path / "out" / "a.txt").read_text() == "64"
    assert (np.asarray(Image.open(tmp_path / "out" / "b.png")) == 55).all()
    assert [row["file"] for row in rows] == ["a.png", "b.png", "c.gif"]
    assert (rows[2]["frames"], rows[2]["dark"]) == (3, 1.0)
    assert skipped == [("broken.png", "not a picture")]


def test_results_that_exist_are_kept_with_resume(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.fromarray(gray(number)).save(tmp_path / "in" / f"{number}.png")
    run(tmp_path / "in", inverted, {"out": tmp_path / "out"})
    (tmp_path / "out" / "1.png").unlink()
    rows: list[dict[str, Any]] = []
    run(tmp_path / "in", inverted, {"out": tmp_path / "out", "resume": True, "each": rows.append})
    assert [row["file"] for row in rows] == ["1.png"]
    with pytest.raises(BadInput, match="exists already"):
        run(tmp_path / "in", inverted, {"out": tmp_path / "out"})


def test_a_folder_shows_progress(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    from isthmus.training import progress

    monkeypatch.setattr(progress, "LINE_EVERY", -1.0)
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.fromarray(gray(number)).save(tmp_path / "in" / f"{number}.png")
    run(tmp_path / "in", inverted, {"out": tmp_path / "out"})
    assert [line.split("  ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "file 1/3",
        "file 2/3",
        "file 3/3",
    ]


def test_the_verb_of_the_page_on_extending(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[-1].split("```")[0]
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, "extending.md", "exec"), names)
    pixels = gray(10)
    pixels[:2, :2] = pixels[5:, 5:] = 250
    Image.fromarray(pixels).save(tmp_path / "a.png")
    rows: list[dict[str, Any]] = []
    names["bright"]([tmp_path / "a.png"], out=tmp_path / "out" / "b.png", each=rows.append)
    assert rows == [{"file": "a.png", "objects": 2}]
    assert np.unique(np.asarray(Image.open(tmp_path / "out" / "b.png"))).tolist() == [0, 1, 2]
    assert np.asarray(Image.open(tmp_path / "out" / "b-mask.png")).mean() == pytest.approx(255 * 13 / 64)
    assert np.asarray(Image.open(tmp_path / "out" / "b-overlay.png"))[0, 0, 0] == 250
