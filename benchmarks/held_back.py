"""Compare runs with the shipped model on training images that neither was trained on:

    python benchmarks/held_back.py NAME RUN ... [--pack]

A better run is packed (--pack: the first RUN, a folder or the NAME.tar of benchmarks/gpu.py); only then
benchmarks/restoration.py evaluates test sets. unwatermark is evaluated by `restoration.py sure` instead.
"""

from __future__ import annotations

import argparse
import csv
import json
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from isthmus import load, metrics, store
from isthmus.bicubic import shrink
from isthmus.models import folder_of
from overlap import LEARNED
from restoring import damage
from restoring.comparison import Net, Pictures, each, in_bytes, psnr, restored
from restoring.harmless import held_back
from train_models import GPU_PLANS, ship

Case = Callable[[np.ndarray, int], np.ndarray]


def white(sigma: float, clipped: bool = False) -> Case:
    def case(x: np.ndarray, number: int) -> np.ndarray:
        noisy = damage.noisy(x, sigma, number, 7)
        return in_bytes(noisy) if clipped else noisy

    return case


def camera(photons: float, read: float, quality: int | None) -> Case:
    def case(x: np.ndarray, number: int) -> np.ndarray:
        noisy = damage.developed(x, photons, read, number, 7)
        return noisy if quality is None else damage.as_jpeg(noisy, quality)

    return case


WHITE = {"σ 15": white(15), "σ 25": white(25), "σ 50": white(50), "σ 25, clipped": white(25, clipped=True)}
CASES: dict[str, dict[str, Case]] = {
    "denoise-gray": WHITE,
    "denoise-color": WHITE,
    "denoise-real": {
        "indoors": camera(400, 0.008, None),
        "night": camera(120, 0.02, None),
        "indoors, JPEG 75": camera(400, 0.008, 75),
        "JPEG 10": lambda x, number: damage.as_jpeg(x, 10),
        "JPEG 30": lambda x, number: damage.as_jpeg(x, 30),
        "gray, JPEG 10": lambda x, number: damage.as_jpeg(x.mean(0, keepdims=True), 10),
    },
    "inpaint": {},
}
PATCH = 256  # of the middle of each picture


def pictures(gray: bool) -> Pictures:
    every = [x / 255 for x, path in held_back() if path.stem not in LEARNED["bsd400_color"]]
    return [in_bytes(middle(x.mean(0, keepdims=True) if gray else x)) for x in every]


def middle(x: np.ndarray) -> np.ndarray:
    top, left = (max(0, (side - PATCH) // 2) for side in x.shape[1:])
    return x[:, top : top + PATCH, left : left + PATCH]


def figures(name: str, run: Any) -> dict[str, float]:
    """Mean PSNR by case."""
    net, found = Net(load(run).eval()), {}
    truths = pictures(gray=name == "denoise-gray" or name.startswith("upscale"))
    if name.startswith("upscale"):
        scale = int(name[-1])
        cut = [x[:, : PATCH // scale * scale, : PATCH // scale * scale] for x in truths]
        cut = [x[:, : x.shape[1] // scale * scale, : x.shape[2] // scale * scale] for x in cut]
        small = [in_bytes(shrink(torch.from_numpy(x)[None], scale)[0].numpy()) for x in cut]
        return {"luma": psnr([restored(net, x) for x in small], cut)}
    if name == "inpaint":
        for kind in damage.HOLES:
            holes = [damage.hole(kind, *x.shape[1:], i, 7) for i, x in enumerate(truths)]
            outputs = [restored(net, x * ~hole, hole) for x, hole in zip(truths, holes, strict=True)]
            found[kind] = fmean(each(metrics.psnr, outputs, truths, holes))  # inside the hole
        return found
    for label, case in CASES[name].items():
        same = [x.mean(0, keepdims=True) if label.startswith("gray") else x for x in truths]
        found[label] = psnr([restored(net, case(x, i)) for i, x in enumerate(truths)], same)
    return found


def unpacked(run: Path, folder: Path) -> Path:
    """A run folder of what gpu.py has left, or the folder itself."""
    if run.suffix != ".tar":
        return run
    place = folder / run.stem
    with tarfile.open(run) as tar:
        tar.extractall(place, filter="data")
    (place / "half.safetensors").rename(place / store.WEIGHTS)
    return place


def packed(name: str, run: Path, measured: dict[str, Any], better: dict[str, Any]) -> None:
    """The run as the shipped model of that name, with what benchmarks/gpu.py told of its training."""
    row = measured["rows"][0]
    with (run / store.HISTORY).open() as file:
        epochs = sum(1 for _ in csv.DictReader(file))
    known = {"epochs": epochs, **{key: row[key] for key in ("steps", "seconds")}, "machine": measured["machine"]}
    known |= {"date": measured.get("date", time.strftime("%Y-%m-%d")), "held_back": better}
    ship(name, run, GPU_PLANS[name], known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*CASES, "unwatermark", "upscale-2", "upscale-3", "upscale-4"])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--pack", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        rows = {}
        if given.name != "unwatermark":
            rows["shipped"] = figures(given.name, folder_of(given.name))
            print("shipped", {key: round(value, 3) for key, value in rows["shipped"].items()}, flush=True)
            for run in given.runs:
                rows[str(run)] = figures(given.name, unpacked(run, Path(temporary)))
                print(run.name, {key: round(value, 3) for key, value in rows[str(run)].items()}, flush=True)
        if given.pack:
            run = given.runs[0]
            better = {
                "before": {key: round(value, 3) for key, value in rows.get("shipped", {}).items()},
                "now": {key: round(value, 3) for key, value in rows.get(str(run), {}).items()},
            }
            if rows and fmean(better["now"].values()) <= fmean(better["before"].values()):
                raise SystemExit("not better on the pictures held back: nothing is packed")
            measured = json.loads(run.with_suffix(".json").read_text())
            place = unpacked(run, Path(temporary)) if not rows else Path(temporary) / run.stem
            packed(given.name, place, measured, better)


if __name__ == "__main__":
    main()
