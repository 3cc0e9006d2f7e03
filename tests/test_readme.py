"""The documentation's code runs as it stands."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from isthmus.cli import main
from isthmus.recipes import RECIPES

ROOT = Path(__file__).parents[1]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_commands_of_the_readme(photos: Path) -> None:
    shutil.copytree(photos, "my-folder")
    commands = [shlex.split(line, comments=True) for block in blocks("README.md", "sh") for line in block.splitlines()]
    assert len(commands) > 8
    for command in commands:
        if not command:
            continue
        assert command[0] == "isthmus"
        with pytest.raises(SystemExit) as exit:
            main(command[1:])
        assert exit.value.code == 0, command


def test_python_of_the_readme() -> None:
    python = blocks("README.md", "python")
    assert len(python) == 2
    for block in python:
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    assert len([line for line in python[1].splitlines() if line.strip()]) < 15


def test_the_new_type_of_contributing_is_a_recipe_of_fifteen_lines() -> None:
    (block,) = blocks("CONTRIBUTING.md", "python")
    exec(compile(block, "CONTRIBUTING.md", "exec"), {"__name__": "contributing"})
    try:
        import isthmus

        model = isthmus.create("small", shape=(1, 8, 8))
        assert isthmus.fit(model, "digits", epochs=1, quiet=True).metrics["penalty"] > 0
    finally:
        del RECIPES["small"]
