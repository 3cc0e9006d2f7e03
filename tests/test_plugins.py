"""Recipes of other packages, found by their entry points; a fake package lies on sys.path."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MINE = '''
from torch import nn
from isthmus import create
from isthmus.recipes import recipe
from isthmus.registry import register

@register
class Twice(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner, self.out_shape = inner, inner.out_shape
    def forward(self, x):
        return self.inner(2 * x)

@recipe("gray", epochs=1)
def mine(shape, code=(3,), *, wide: int = 4):
    """Mine: it looks twice.

    code: numbers of the code
    wide: of something
    """
    model = create("undercomplete", shape=shape, code=code)
    from isthmus.registry import replace_child
    replace_child(model, "encoder", Twice(model.encoder))
    return model
'''


def package(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[isthmus.recipes]\n{name} = {name}\n")


@pytest.fixture
def isthmus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command in a process of its own, in which the packages of tmp_path/site are installed."""
    (tmp_path / "site").mkdir()
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).integers(0, 255, (20, 8, 8), dtype=np.uint8))
    script = "import sys; sys.path.append('site'); from isthmus.cli import main; main()"

    def run(*arguments: str) -> tuple[int, str, str]:
        found = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
        return found.returncode, found.stdout, found.stderr

    return run


def test_a_recipe_of_another_package_is_a_recipe_and_a_broken_package_is_named(isthmus: Any, tmp_path: Path) -> None:
    package(tmp_path / "site", "extra_mine", MINE)
    package(tmp_path / "site", "extra_broken", "import no_such_module_at_all")
    thief = "from isthmus.recipes import recipe\n\n@recipe('gray')\ndef conv(shape, code=(3,)):\n    'Mine now.'\n"
    package(tmp_path / "site", "extra_thief", thief)

    code, out, err = isthmus("recipes", "--json")
    assert code == 0
    rows = {row["recipe"]: row["what it is"] for row in json.loads(out)["recipes"]}
    assert rows["mine"] == "Mine: it looks twice."
    assert rows["conv"] != "Mine now."
    assert err.count("\n") == 2
    assert "extra_broken: its recipes (extra_broken) cannot be loaded: ModuleNotFoundError" in err
    assert "extra_thief" in err
    assert "recipe conv: this name is taken by" in err

    code, out, err = isthmus("train", "mine", "x.npy", "--set", "wide=5", "-o", "run", "--json")
    assert code == 0, err
    code, out, err = isthmus("evaluate", "run", "x.npy", "--json")  # where a module of its own must be found again
    assert code == 0, err
    assert json.loads(out)["code_size"] == 3


def test_a_recipe_that_is_here_asks_no_other_package(isthmus: Any, tmp_path: Path) -> None:
    package(tmp_path / "site", "extra_broken", "raise SystemError('asked')")
    code, _, err = isthmus("recipes", "conv", "--json")
    assert (code, err) == (0, "")
    code, _, err = isthmus("recipes", "convv")
    assert code == 2
    assert "asked" in err
    assert "did you mean 'conv'" in err


def test_the_example_of_the_docs_is_a_recipe(isthmus: Any, tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text(encoding="utf-8")
    lines = page.partition("# my_package/recipes.py\n")[2].partition("\nAn entry point")[0].splitlines()
    package(tmp_path / "site", "my_package", "\n".join(line[4:] for line in lines))
    code, out, err = isthmus("recipes", "tiny", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["keys"][0] == {
        "key": "code",
        "default": "8",
        "meaning": "numbers between encoder and decoder",
    }
