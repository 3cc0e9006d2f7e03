"""The documentation's code runs as it stands."""

from __future__ import annotations

import re
import shlex
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isthmus.cli import main
from isthmus.errors import Note
from isthmus.recipes import RECIPES

ROOT = Path(__file__).parents[1]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_commands_of_the_readme(photos: Path) -> None:
    """As printed, but that trainings end after two seconds."""
    shutil.copytree(photos, "parts")  # the fixture lies in photos already
    Image.open(next(path for path in sorted(photos.glob("*.png")))).convert("RGB").resize((64, 48)).save("photo.png")
    scratch = np.zeros((48, 64), np.uint8)
    scratch[20:23] = 255
    Image.fromarray(scratch).save("scratch.png")
    commands = [shlex.split(line, comments=True) for block in blocks("README.md", "sh") for line in block.splitlines()]
    assert len(commands) == 5
    for command in commands:
        assert command[0] == "isthmus"
        if command[1] == "train":
            keep = command.index("--budget") if "--budget" in command else len(command)
            command[keep:] = ["--budget", "2s"]
        with pytest.raises(SystemExit) as exit:
            main(command[1:])
        assert exit.value.code == 0, command
    assert len(Path("codes.csv").read_text(encoding="utf-8").splitlines()) > 2


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 110
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert link.startswith("http") or (page.parent / link).exists(), (page.name, link)


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_python_of_the_pages(page: str) -> None:
    python = blocks(page, "python")
    assert len(python) == (1 if page == "README.md" else 2)
    for block in python:
        warnings.filterwarnings("error", message=".*read as shares", category=Note)
        exec(compile(block, page, "exec"), {"__name__": "readme"})
        assert len([line for line in block.splitlines() if line.strip()]) < 15


def test_the_new_type_of_contributing_is_a_recipe_of_fifteen_lines() -> None:
    (block,) = blocks("CONTRIBUTING.md", "python")
    exec(compile(block, "CONTRIBUTING.md", "exec"), {"__name__": "contributing"})
    try:
        import isthmus

        model = isthmus.create("small", shape=(1, 8, 8))
        assert isthmus.fit(model, "digits", epochs=1, quiet=True).metrics["penalty"] > 0
    finally:
        del RECIPES["small"]
