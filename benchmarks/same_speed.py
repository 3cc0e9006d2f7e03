"""Compare seconds and memory with those of another revision: python benchmarks/same_speed.py REVISION

Each task runs in a process of its own, interleaved: this working tree, then REVISION, once per round, on two threads.
Prints the ratio of the medians (above 1: this tree is faster), its range over the rounds, and the peak memory of both.
Writes results/same-speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import write

ROOT = Path(__file__).parent.parent
ROUNDS = 5
PREPARE = """
import json, resource, sys, time, warnings
from pathlib import Path
import numpy as np
warnings.simplefilter("ignore")
import isthmus
top, own = Path(sys.argv[1]), Path(sys.argv[2])
random = np.random.default_rng(0)
options = {"quiet": True, "device": "cpu"}
"""
DONE = """
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"seconds": seconds, "peak_gb": peak}))
"""
# Each task sets `seconds`; training counts the epochs after the first.
TASKS = {
    "train undercomplete on MNIST, an epoch": """
run = isthmus.train("undercomplete", "mnist", out=own / "run", code=24, epochs=4, **options)
seconds = float(np.median([row["seconds"] for row in run.history[1:]]))
""",
    "train conv on 2,000 color images of 64 px, an epoch": """
images = random.integers(0, 255, (2000, 3, 64, 64), dtype=np.uint8)
run = isthmus.train("conv", images, out=own / "run", epochs=3, **options)
seconds = float(np.median([row["seconds"] for row in run.history[1:]]))
""",
    "train denoise on 24 photos, an epoch": """
run = isthmus.train("denoise", top / "photos", out=own / "run", epochs=3, **options)
seconds = float(np.median([row["seconds"] for row in run.history[1:]]))
""",
    "denoise a photo of 6 megapixels": """
begin = time.perf_counter()
isthmus.denoise(top / "large.png", model="denoise-color", out=own / "large.png", device="cpu")
seconds = time.perf_counter() - begin
""",
    "denoise a folder of 24 photos": """
begin = time.perf_counter()
isthmus.denoise(top / "photos", model="denoise-color", out=own / "photos", device="cpu")
seconds = time.perf_counter() - begin
""",
    "detect in 64 images of 256 px, with heatmaps": """
isthmus.train("detect", top / "parts", out=own / "run", epochs=1, validation=0.3, test=0.0, **options)
begin = time.perf_counter()
isthmus.detect(own / "run", top / "parts", out=own / "report", device="cpu")
seconds = time.perf_counter() - begin
""",
    "isthmus --help": """
import subprocess
begin = time.perf_counter()
subprocess.run([sys.executable, "-m", "isthmus", "--help"], check=True, capture_output=True)
seconds = time.perf_counter() - begin
""",
}


def write_inputs(top: Path) -> None:
    import numpy as np
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(0)

    def image(height: int, width: int) -> Any:
        smooth = gaussian_filter(random.normal(size=(height, width, 3)), (3, 3, 0)) * 400 + 128
        return Image.fromarray(np.clip(smooth + random.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8))

    for folder in ("photos", "parts"):
        (top / folder).mkdir()
    for number in range(24):
        image(320, 480).save(top / "photos" / f"{number}.png")
    for number in range(64):
        image(256, 256).convert("L").save(top / "parts" / f"{number}.png")
    image(2000, 3000).save(top / "large.png")


def measured(tree: Path, task: str, top: Path) -> dict[str, float]:
    """{"seconds", "peak_gb"} of a task by the source in `tree`."""
    with tempfile.TemporaryDirectory() as own:
        environment = os.environ | {"PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "2"}
        command = [sys.executable, "-c", PREPARE + TASKS[task] + DONE, str(top), own]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{tree.name}: {task}: {done.stderr.strip().splitlines()[-1]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    began, load, rows = time.perf_counter(), os.getloadavg()[0], []
    with tempfile.TemporaryDirectory() as folder:
        top, other = Path(folder) / "inputs", Path(folder) / "other"
        top.mkdir()
        write_inputs(top)
        git = ["git", "-C", str(ROOT), "worktree"]
        added = subprocess.run(
            [*git, "add", "--quiet", "--detach", str(other), given.revision], capture_output=True, text=True
        )
        if added.returncode:
            raise SystemExit(f"{given.revision}: no revision: {added.stderr.strip().splitlines()[-1]}")
        try:
            for task in TASKS:
                rounds = [(measured(ROOT, task, top), measured(other, task, top)) for _ in range(given.rounds)]
                ratios = [theirs["seconds"] / ours["seconds"] for ours, theirs in rounds]
                seconds = [statistics.median(each[side]["seconds"] for each in rounds) for side in (0, 1)]
                peaks = [max(each[side]["peak_gb"] for each in rounds) for side in (0, 1)]
                rows.append(
                    {
                        "task": task,
                        "times_as_fast": seconds[1] / seconds[0],
                        "lowest": min(ratios),
                        "highest": max(ratios),
                        "seconds": seconds[0],
                        "peak_gb": peaks[0],
                        "peak_gb_of_revision": peaks[1],
                    }
                )
                print({key: round(value, 3) if isinstance(value, float) else value for key, value in rows[-1].items()})
        finally:
            subprocess.run([*git, "remove", "--force", str(other)], check=True)
    protocol = f"this tree beside {given.revision}, interleaved, {given.rounds} rounds, two threads, medians"
    write("same-speed", protocol, rows, time.perf_counter() - began, load=load)


if __name__ == "__main__":
    main()
