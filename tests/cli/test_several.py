"""Several inputs, patterns and formats, as a shell gives them and as people quote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import isthmus as package
from isthmus import BadInput
from isthmus.cli import main
from isthmus.data import open_data

pytestmark = pytest.mark.usefixtures("one_thread")
FILES = ["in/a.png", "in/b.jpg", "in/deep/c.png"]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in/deep").mkdir(parents=True)
    for number, name in enumerate(FILES):
        Image.fromarray(np.full((12, 16), 40 * number + 20, np.uint8)).save(name)
    Path("in/notes.txt").write_text("hello")


def written(folder: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["in/a.png", "in/b.jpg"], ["a.png", "b.png"]),
        (["in/a.png", "in/a.png", "in/deep/c.png"], ["a.png", "deep/c.png"]),
        (["in/*.png"], ["a.png"]),
        (["in/*"], ["a.png", "b.png", "deep/c.png"]),  # a folder among several is all that is in it
        (["in/**/*.png"], ["a.png", "deep/c.png"]),
        (["in/a.png", "in/deep"], ["a.png", "deep/c.png"]),
    ],
    ids=" ".join,
)
def test_several_inputs_go_into_a_folder(isthmus: Any, given: list[str], found: list[str]) -> None:
    code, _, err = isthmus("denoise", *given, "-o", "out")
    assert code == 0, err
    assert written("out") == found
    assert ("notes.txt" in err) == (given == ["in/*"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["in/a.png", "in/none.png"], "none.png: no such file or folder"),
        (["in/*.gif"], "in/*.gif: matches no file"),
        (["in/notes.txt", "in/notes.txt"], "none is a picture"),
    ],
)
def test_missing_files_are_named(isthmus: Any, given: list[str], said: str) -> None:
    code, out, err = isthmus("upscale", *given, "-o", "out")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert not Path("out").exists()


def test_a_file_that_has_the_name_of_a_pattern_is_that_file(isthmus: Any) -> None:
    Path("in/a.png").rename("in/[a].png")
    assert isthmus("denoise", "in/[a].png", "-o", "one.png")[0] == 0
    assert Path("one.png").is_file()


def test_several_for_the_verbs_of_a_run(isthmus: Any) -> None:
    assert isthmus("train", "undercomplete", "in", "-o", "run", "--size", 8, "--epochs", 1, "-q")[0] == 0
    assert isthmus("reconstruct", "run", "in/a.png", "in/deep/c.png", "-o", "back")[0] == 0
    assert written("back") == ["a.png", "deep/c.png"]
    assert isthmus("embed", "run", "in/**/*.png", "-o", "codes.npz")[0] == 0
    assert np.load("codes.npz")["files"].tolist() == ["a.png", "deep/c.png"]


def test_several_for_the_functions() -> None:
    data = open_data(["in/a.png", Path("in/deep/c.png")])
    assert list(data.names) == ["a.png", "deep/c.png"]
    assert len(open_data("in/*.jpg")) == 1
    with pytest.raises(BadInput, match="2 inputs: out is needed"):
        package.denoise(["in/a.png", "in/b.jpg"])
    with pytest.raises(BadInput, match="the output for 2 inputs is a folder"):
        package.denoise(["in/a.png", "in/b.jpg"], out="c.png")


def test_the_format_of_a_folder_and_the_quality_of_a_jpeg(isthmus: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 40), dtype=np.uint8)
    Image.fromarray(noise).save("in/a.png")
    for quality in (30, 95):
        folder = f"q{quality}"
        assert isthmus("upscale", "in", "-o", folder, "--format", "jpg", "--jpeg-quality", quality)[0] == 0
        assert written(folder) == ["a.jpg", "b.jpg", "deep/c.jpg"]
        assert Image.open(f"{folder}/a.jpg").format == "JPEG"
    assert Path("q30/a.jpg").stat().st_size < Path("q95/a.jpg").stat().st_size / 2
    assert isthmus("upscale", "in/a.png", "-o", "one.jpg", "--jpeg-quality", 30)[0] == 0
    assert Path("one.jpg").read_bytes() == Path("q30/a.jpg").read_bytes()
    assert isthmus("denoise", "in", "-o", "w", "--format", "webp")[0] == 0
    assert written("w")[0] == "a.webp"
    for wrong, said in (
        (["--format", "jp"], "did you mean"),
        (["--format", "jpg", "-o", "x.png"], "has the suffix .png, but format is jpg"),
        (["--jpeg-quality", 50], "applies to JPEG output only"),
        (["--jpeg-quality", 0, "--format", "jpg"], "greater than or equal to 1"),
    ):
        out = [] if "-o" in wrong else ["-o", "none"]
        code, _, err = isthmus("denoise", "in/a.png", *out, *wrong)
        assert (code, said in err) == (2, True), err


def test_detect_takes_several(isthmus: Any) -> None:
    shades = np.random.default_rng(0).integers(90, 110, (30, 8, 8), dtype=np.uint8)
    np.save("good.npy", shades)
    assert isthmus("train", "detect", "good.npy", "-o", "run", "--epochs", 1, "-q")[0] == 0
    code, out, _ = isthmus("detect", "run", "in/a.png", "in/deep/c.png", "-o", "found", "--json")
    assert code == 0
    assert [row["file"] for row in json.loads(out)["rows"]] == ["a.png", "deep/c.png"]


def test_every_skipped_file_is_in_the_json_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The terminal names three of them and says how many more there are."""
    for number in range(5):
        (tmp_path / f"broken{number}.png").write_bytes(b"no image")
    Image.fromarray(np.full((48, 48, 3), 90, np.uint8)).save(tmp_path / "a.png")
    model = package.create("conv", shape=(3, 48, 48), code="2x12x12", channels=(4, 8))
    items = np.zeros((4, 3, 48, 48), np.uint8)
    package.fit(model, items, epochs=1, device="cpu", quiet=True, out=tmp_path / "run")
    for command in (["denoise", tmp_path, "--out", tmp_path / "out"], ["evaluate", tmp_path / "run", tmp_path]):
        with pytest.raises(SystemExit):
            main([*map(str, command), "--json"])
        out, err = capsys.readouterr()
        skipped = json.loads(out)["skipped"]
        assert [row["file"] for row in skipped] == [f"broken{number}.png" for number in range(5)]
        assert all("not a picture" in row["reason"] for row in skipped)
        assert "files skipped: broken0.png" in err
        assert "broken2.png" in err
        assert "and 2 more" in err
        assert "broken3.png" not in err
