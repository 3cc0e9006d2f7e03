"""Ctrl-C: during set-up the command ends at once, during output its temporary files are removed; one line says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

# The function named by `where` sends SIGINT to its own process, and would then end it by another code.
COMMAND = """
import importlib, os, signal, sys, time
where, sys.argv = sys.argv[1], ["isthmus", *sys.argv[2:]]
module, _, name = where.rpartition(".")
def interrupted(*arguments, **keys):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(100):
        time.sleep(0.01)
    os._exit(7)
setattr(importlib.import_module(module), name, interrupted)
from isthmus.cli import main
main()
"""


def interrupt(where: str, folder: Path) -> subprocess.CompletedProcess[str]:
    Image.fromarray(np.full((48, 48, 3), 90, np.uint8)).save(folder / "a.png")
    command = [sys.executable, "-c", COMMAND, where, "denoise", str(folder / "a.png"), "--out", str(folder / "b.jpg")]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_ctrl_c_during_set_up(tmp_path: Path) -> None:
    done = interrupt("isthmus.jobs.restoration.restore.PretrainedModels", tmp_path)
    assert (done.returncode, done.stderr) == (130, "isthmus: stopped\n")


def test_ctrl_c_during_output_leaves_nothing_behind(tmp_path: Path) -> None:
    done = interrupt("isthmus.media.image_file._by_pillow", tmp_path)
    assert done.returncode == 130
    assert done.stderr.endswith("isthmus: stopped\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
