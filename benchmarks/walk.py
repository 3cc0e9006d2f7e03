"""The files of isthmus that one call walks through: python benchmarks/walk.py

Counted with sys.setprofile for isthmus.denoise of one PNG and isthmus.detect of a folder, both with a model that is
loaded in the call; and how often each input file is opened. Imports are done before.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import isthmus
from common import write

SOURCE = str(Path(isthmus.__file__).parent)
BOUNDS = {"denoise": 18, "detect": 20}


def walked(call: Callable[[], Any], inputs: Path) -> dict[str, Any]:
    """Files and functions of isthmus that `call` passes, and the most that a file of `inputs` is opened."""
    functions: set[tuple[str, str]] = set()
    opened: Counter[str] = Counter()

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(SOURCE):
            functions.add((frame.f_code.co_filename, frame.f_code.co_qualname))

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and counting and isinstance(arguments[0], (str, os.PathLike)):
            path = os.fspath(arguments[0])
            if Path(path).is_absolute() and Path(path).is_relative_to(inputs) and path.endswith(".png"):
                opened[path] += 1

    counting = True
    sys.addaudithook(audit)
    sys.setprofile(note)
    threading.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
        counting = False
    files = sorted({str(Path(file).relative_to(SOURCE)) for file, _ in functions})
    longest = max(len(Path(SOURCE, file).read_text(encoding="utf-8").splitlines()) for file in files)
    return {
        "files": len(files),
        "functions": len(functions),
        "longest": longest,
        "most_opened": max(opened.values(), default=0),
        "names": files,
    }


def main() -> None:
    began = time.perf_counter()
    warnings.simplefilter("ignore")
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        (folder / "parts").mkdir()
        for number in range(12):
            pixels = (128 + 20 * random.standard_normal((32, 32, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "parts" / f"{number:02d}.png")
        noisy = folder / "noisy.png"
        Image.fromarray((128 + 25 * random.standard_normal((96, 128, 3))).clip(0, 255).astype(np.uint8)).save(noisy)
        how = {"quiet": True, "epochs": 1, "kind": "undercomplete", "device": "cpu"}
        isthmus.train("detect", folder / "parts", out=folder / "run", **how)
        calls: dict[str, Callable[[], Any]] = {
            "denoise": lambda: isthmus.denoise(noisy, model="denoise-color", out=folder / "clean.png", force=True),
            "detect": lambda: isthmus.detect(folder / "run", folder / "parts", out=folder / "report", force=True),
        }
        rows = []
        for name, call in calls.items():
            call()  # imports, caches
            rows.append({"call": name, "bound": BOUNDS[name], **walked(call, folder)})
            print({key: value for key, value in rows[-1].items() if key != "names"})
            print("   ", " ".join(rows[-1]["names"]))
    write(
        "walk",
        "files of isthmus that a call passes, with the model that it loads; sys.setprofile",
        rows,
        time.perf_counter() - began,
    )


if __name__ == "__main__":
    main()
