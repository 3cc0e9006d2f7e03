"""Trainings with all defaults on a folder of images: python benchmarks/defaults.py [SET ...]

Each set is trained on as `SET`, with all defaults, and as `SET-budget`, with --budget 60s. Every recipe is `isthmus
train RECIPE FOLDER` without further options. Measured is the test split that the run holds out, compared with the mean
of the training split and PCA fitted on it, with as many components, at most one fewer than its items (top-k: k
components); all get the same x̃. Each writes results/defaults-SET.json, row by row, so a stopped benchmark resumes.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common import RESULTS, write
from isthmus.metrics import psnr
from isthmus.networks import Principal
from isthmus.types import Context, Noise, Sample
from isthmus.verbs.train import train

DATA = Path(os.environ.get("ISTHMUS_DATA", "data"))
SETS = {
    "photos": ("bsd400_color",),
    "gray": ("train400",),
    "nuclei": ("dsb2018_256/images",),
    "xray": ("covid_xray48/images",),
    "mixed": ("photos_cc", "t91"),
}
RECIPES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("conv", {}),
    ("denoising", {}),
    ("variational", {}),
    ("sparse", {"kind": "l1"}),
    ("sparse", {"kind": "kl"}),
    ("sparse", {"kind": "topk"}),
    ("contractive", {}),
    ("quantized", {}),
    ("deep", {}),
    ("linear", {}),
    ("undercomplete", {}),
)
OVER_MEAN = ("variational", "quantized")  # of these an error below the mean's is asked for, of the others below PCA's
PROTOCOL = (
    "all defaults{budget}; test part of 10 % that the run holds back (seed 0), mean PSNR of pictures cut to "
    "[0, 1], beside PCA of the training part with as many numbers, at most n - 1 (top-k: k), on the same input; "
    "{threads} threads, other trainings running beside it; contrast: of 64 generated pictures, over that of real ones"
)


def folder_of(names: tuple[str, ...], where: Path) -> Path:
    """The folder of a set, or, of several, one of links to all of their pictures."""
    if len(names) == 1:
        return DATA / names[0]
    for name in names:
        for path in sorted((DATA / name).iterdir()):
            if path.suffix in (".jpg", ".png", ".bmp"):
                (where / f"{name}-{path.name}").symlink_to(path.resolve())
    return where


def decibels(picture: Tensor, truth: Tensor) -> float:
    return float(psnr(picture.view_as(truth).clamp(0, 1), truth).mean())


def contrast(pictures: Tensor) -> float:
    """The standard deviation within a picture, mean over them."""
    return float(pictures.flatten(1).std(1).mean())


@torch.no_grad()
def row_of(run: Any, recipe: str, keys: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The figures of one run."""
    model, data, parts = run.model, run.data, run.parts
    known, held = data.floats(parts["train"]), data.floats(parts["test"])
    seen = held
    if model.corruption is not None:
        seen = model.corruption(Sample.of(held), Context(Noise(0, 0, len(held)))).x
    discrete = recipe == "quantized"
    numbers = math.prod(model.code_shape[1:] if discrete else model.code_shape)
    compared = min(model.bottleneck.k if keys.get("kind") == "topk" else numbers, len(known) - 1)
    principal = Principal(known, compared)
    row = {
        "model": " ".join([recipe, *keys.values()]),
        "items": len(known),
        "size": "×".join(map(str, model.shape)),
        "numbers": numbers,
        "psnr": decibels(model.reconstruct(seen, unit=True), held),
        "mean_psnr": decibels(principal.mean.expand(len(held), -1), held),
        "pca_psnr": decibels(principal.rebuilt(seen), held),
        "steps": run.steps,
        "kept_epoch": run.metrics.get("kept_epoch"),
        "seconds": round(seconds),
    }
    if model.prior == "normal":
        row["contrast"] = contrast(model.sample(64)) / contrast(held)
    row["must"] = must(recipe, row, bool(model.about["training"]["budget"]))
    return row


def must(recipe: str, row: dict[str, Any], budget: bool) -> bool:
    """Whether the row is what was promised."""
    if budget:
        return bool(row["psnr"] >= row["mean_psnr"] + 1.5)
    if recipe in OVER_MEAN:
        return bool(row["psnr"] >= row["mean_psnr"] + 2 and row.get("contrast", 1) >= 0.5)
    if recipe == "linear":
        return bool(abs(10 ** ((row["pca_psnr"] - row["psnr"]) / 10) - 1) <= 0.01)
    return bool(row["psnr"] >= row["pca_psnr"])


def measure(part: str) -> None:
    """All recipes on a set; rows that are there already, of the same code, stay."""
    name, _, budget = part.partition("-")
    keys: dict[str, Any] = {"budget": "60s"} if budget else {}
    path, began = RESULTS / f"defaults-{part}.json", time.perf_counter()
    record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"rows": [], "seconds": 0.0}
    rows, before = record["rows"], record["seconds"]
    protocol = PROTOCOL.format(budget=" and --budget 60s" if budget else "", threads=torch.get_num_threads())
    for recipe, own in RECIPES:
        if any(row["model"] == " ".join([recipe, *own.values()]) for row in rows):
            continue
        with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (links := Path(scratch) / "links").mkdir()
            clock = time.perf_counter()
            run = train(recipe, folder_of(SETS[name], links), out=Path(scratch) / "run", quiet=True, **own, **keys)
            rows.append(row_of(run, recipe, own, time.perf_counter() - clock))
        write(f"defaults-{part}", protocol, rows, before + time.perf_counter() - began, load=os.getloadavg()[0])


def main() -> None:
    parts = sys.argv[1:] or [f"{name}{end}" for name in SETS for end in ("", "-budget")]
    for part in parts:
        if part.removesuffix("-budget") not in SETS:
            raise SystemExit(f"{part}: of {', '.join(SETS)}, each also with -budget")
        np.random.seed(0)
        measure(part)


if __name__ == "__main__":
    main()
