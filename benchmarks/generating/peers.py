"""pythae's VAE with its Gaussian mixture beside ours: the same pictures, network and processor time."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch

import isthmus
from generating.discrete import seconds
from generating.features import scored
from generating.models import autoencoder
from generating.priors import COUNT, fitted, pictures
from stored_rows import Part, Row

DATA, BATCH = "mnist", 128
HERE = Path(__file__).parents[1]
PYTHAE = HERE.parent / ".peers/pythae/bin/python"
OURS = (("VAE", "mixture"), ("VAE", "flow"), ("AE", "flow"))


def pythae() -> None:
    if not PYTHAE.exists():
        raise SystemExit(f"nothing is written: no pythae in {PYTHAE}; `make bench-peers` first")
    part = Part("generation", "pythae")
    for model, prior in OURS:

        def row(model: str = model, prior: str = prior) -> Row:
            made = pictures(autoencoder(model, DATA), fitted(model, DATA, prior)[0])
            return scored(DATA, made) | {"training_cpu_seconds": seconds(model, prior)}

        part.row(row, model=f"isthmus {model}", prior=prior)
    longest = max(row["training_cpu_seconds"] for row in part.rows)
    part.row(lambda: theirs(longest), model="pythae VAE", prior="its mixture")
    part.end(
        "MNIST, 60,000 training pictures, one thread; the convolutional VAE of 16 numbers of the recipe variational in "
        f"both, BCE, Adam 1e-3, batch {BATCH}; ours: {autoencoder('VAE', DATA).about['training']['epochs']} epochs and "
        "a fit of the prior; pythae: its trainer in float32 until the longest of these times is over, then its mixture "
        f"of 10; {COUNT} pictures against the {COUNT} test pictures"
    )


def theirs(seconds: float) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "mnist.npz", Path(folder) / "made.npy"
        np.savez(file, train=isthmus.datasets.mnist()[0][:, None])
        command = [PYTHAE, HERE / "peers/pythae_generation.py", file, BATCH, seconds, COUNT, out]
        done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, cwd=folder)
        facts = json.loads(done.stdout.splitlines()[-1])
        made = torch.from_numpy(np.load(out))
    return scored(DATA, made) | {
        "training_cpu_seconds": round(facts["cpu_seconds"], 1),
        "steps": facts["steps"],
        "versions": facts["versions"],
    }
