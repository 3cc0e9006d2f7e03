"""Pictures of 64 pixels: the KL autoencoder of the recipe `generate` and a flow over its grid, on a folder."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import isthmus
from generating.models import TRAINED
from generating.sets import PHOTOS
from isthmus.data import open_data
from isthmus.jobs.generation.fitted import fit_prior
from isthmus.jobs.generation.prior_files import known_prior
from isthmus.jobs.generation.sampling import sampled_codes, sampled_items
from isthmus.jobs.generation.scores import scores
from isthmus.report import grid
from isthmus.store import HISTORY
from stored_rows import Part, Row

CROP, SIDE, COUNTS = 160, 64, {"train": 6000, "test": 2000}
EPOCHS, FLOW_EPOCHS = 8, 12
SHOWN = Path(__file__).parents[2] / "docs" / "generated.png"


def folder(part: str) -> Path:
    """A folder of PNGs: seeded crops of photos, reduced to 64 pixels; no photo is in both parts."""
    out = TRAINED / f"photos-{part}"
    if not (out / f"{COUNTS[part] - 1:05d}.png").is_file():
        out.mkdir(parents=True, exist_ok=True)
        files = sorted(Path(os.environ["ISTHMUS_DATA"], "bsd400_color").glob("*.jpg"))
        files = np.random.RandomState(0).permutation(np.array(files, object)).tolist()
        photos = [Image.open(path).convert("RGB") for path in (files[:PHOTOS] if part == "train" else files[PHOTOS:])]
        random = np.random.RandomState(2)
        for number in range(COUNTS[part]):
            photo = photos[number % len(photos)]
            left, top = (random.randint(length - CROP + 1) for length in photo.size)
            cut = photo.crop((left, top, left + CROP, top + CROP)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            cut.save(out / f"{number:05d}.png")
    return out


def measured() -> Row:
    out = TRAINED / "photos-kl"
    if not (out / "metrics.json").is_file():
        keys = {"epochs": EPOCHS, "least_steps": 0, "precision": "bf16-mixed", "quiet": True, "prior": "normal"}
        isthmus.train("generate", folder("train"), out=out, **keys)
    model = isthmus.load(out)
    if known_prior(model, "flow") is None:
        fit_prior(model, "flow", epochs=FLOW_EPOCHS, batch_size=32, precision="bf16-mixed", quiet=True)
    prior = known_prior(model, "flow")
    assert prior is not None
    count = COUNTS["test"]
    samples = torch.cat(list(sampled_items(model, sampled_codes(model, prior, range(count)))))
    grid(samples[:32], columns=8, scale=1).save(SHOWN)
    training, held = (open_data(folder(part)) for part in ("train", "test"))
    rebuilt = torch.cat(
        [model.reconstruct(held.floats(np.arange(i, i + 250)), unit=True) for i in range(0, count, 250)]
    )
    return {
        **scores(samples, held, training),
        "reconstructions_frechet_distance": scores(rebuilt, held, training)["frechet_distance"],
        "autoencoder_seconds": round(sum(float(row["seconds"]) for row in csv.DictReader((out / HISTORY).open()))),
        "prior_seconds": round(sum(row["seconds"] for row in prior.about["history"])),
    }


def photos() -> None:
    part = Part("generation", "photos")
    part.row(measured, model="KL autoencoder", prior="flow")
    part.end(
        f"{COUNTS['train']:,} crops of {CROP} pixels of {PHOTOS} photos of BSD, reduced to {SIDE}; {COUNTS['test']:,} "
        f"samples against as many crops of other photos, in the features that the package ships; recipe generate of "
        f"{EPOCHS} epochs, whose code is a grid of 4x16x16 numbers, and a flow of {FLOW_EPOCHS} epochs"
    )
