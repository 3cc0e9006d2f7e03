"""The module's edges: its import does nothing but define names, and its objects show themselves in one line."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import isthmus

pytestmark = pytest.mark.usefixtures("one_thread")


def test_import_neither_sleeps_nor_reads_files_of_the_system_nor_sets_the_environment() -> None:
    script = """
import builtins, os, time
before, opened, real = dict(os.environ), [], builtins.open
builtins.open = lambda name, *a, **k: (opened.append(str(name)), real(name, *a, **k))[1]
def slept(seconds): raise AssertionError("slept")
time.sleep = slept
import isthmus
assert dict(os.environ) == before
assert not [name for name in opened if name.startswith("/proc")], opened
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_dir_shows_names_of_isthmus_alone() -> None:
    assert dir(isthmus) == sorted([*isthmus.__all__, "__version__"])
    for name in dir(isthmus):
        assert hasattr(isthmus, name)


def test_a_model_and_a_run_show_themselves_in_one_line() -> None:
    model = isthmus.create("undercomplete", shape=(1, 8, 8), code=5)
    assert repr(model) == "Autoencoder(undercomplete, 1×8×8 → 5, 709 weights)"
    run = isthmus.fit(model, np.zeros((20, 8, 8), np.uint8), epochs=1, device="cpu", quiet=True)
    assert repr(run) == "Run(undercomplete, 1 epoch, done)"


def test_the_package_runs_as_a_module() -> None:
    found = subprocess.run([sys.executable, "-m", "isthmus", "--version"], capture_output=True, text=True, check=True)
    assert found.stdout == f"isthmus {isthmus.__version__}\n"


def test_the_command_gives_way_before_torch_is_there() -> None:
    script = """
import sys
from isthmus.cli import threads
looked = []
import isthmus.cli.entry
isthmus.cli.entry.yield_busy_cores = lambda: looked.append("torch" in sys.modules)
try: isthmus.cli.main(["models"])
except SystemExit: pass
assert looked == [False], looked
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_fit_with_the_name_of_a_recipe_names_the_right_function() -> None:
    with pytest.raises(isthmus.BadInput, match=r"a model is accepted, as isthmus.create\('conv', shape=...\)"):
        isthmus.fit("conv", np.zeros((20, 8, 8)))  # type: ignore[arg-type]
