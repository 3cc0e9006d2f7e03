"""The undercomplete types on MNIST, PCA and Keras, and the VQ-VAE on Fashion-MNIST.

    python benchmarks/undercomplete.py [start | pca | deep | quantized] ...

Every part trains on the official training split (all 60,000 images, no validation split, last weights) with seed 0 and
evaluates the 10,000 test images once. Each writes results/undercomplete-PART.json.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import isthmus
from common import main, write
from isthmus.metrics import subspace_angles

RUNS = Path("runs/undercomplete")  # relative to where it is run
KERAS = Path(__file__).parents[1] / ".peers" / "keras" / "bin" / "python"


def trained(recipe: str, data: str = "mnist", **keys: Any) -> tuple[Any, dict[str, Any]]:
    """The model of a recipe trained with its own defaults but for `keys`, and its figures on the test part.

    Its run lies in runs/, and a training that was stopped is resumed; one that is done is removed.
    """
    run = RUNS / "-".join([recipe, data, *(f"{key}={value}" for key, value in keys.items())])
    isthmus.train(recipe, data, out=run, resume=True, quiet=True, validation=0.0, patience=None, **keys)
    figures, model = isthmus.evaluate(run, data), isthmus.load(run)
    shutil.rmtree(run)  # or the next figures would be those of this code
    return model, figures


def row(name: str, figures: dict[str, Any], *keys: str, **more: Any) -> dict[str, Any]:
    return {"model": name, **{key: figures[key] for key in keys}, **more}


def start() -> None:
    """The starting recipe of Keras' own tutorial, ours and theirs: the same figures. benchmarks/speed.py times both."""
    began = time.perf_counter()
    if not KERAS.exists():
        raise SystemExit(f"nothing is written: no Keras in {KERAS}; `make bench-peers` first")
    x_train, x_test = isthmus.datasets.mnist()
    _, figures = trained("undercomplete", code=24)
    rows = [row("isthmus undercomplete", figures, "bce_per_pixel", "sse_per_image", "compression_factor")]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mnist.npz"
        np.savez(file, train=x_train, test=x_test)
        theirs = keras(file, 50)
    rows.append(row("Keras on JAX", theirs, "bce_per_pixel", "sse_per_image", compression_factor=784 / 24))
    write(
        "undercomplete-start",
        "784-24 ReLU-784 sigmoid, per-pixel BCE, Adam 1e-3, batch 256, 50 epochs, 60,000 pictures, last weights",
        rows,
        time.perf_counter() - began,
        peers=theirs["versions"],
    )


def keras(file: Path, epochs: int) -> dict[str, Any]:
    script = Path(__file__).parent / "peers" / "keras_undercomplete.py"
    command = [str(KERAS), str(script), str(file), str(epochs), "jax"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def pca() -> None:
    """Everything linear finds the subspace of PCA."""
    from sklearn.decomposition import PCA

    began = time.perf_counter()
    x_train, x_test = (x.reshape(-1, 784).astype(np.float64) / 255 for x in isthmus.datasets.mnist())
    rows = []
    for recipe, code, keys in (
        ("linear", 24, {}),
        ("linear", 30, {}),
        ("undercomplete", 24, {"activation": "none"}),
        ("deep", 30, {"activation": "none", "epochs": 30}),
    ):
        exact = PCA(code, svd_solver="full").fit(x_train)
        error = float(((exact.inverse_transform(exact.transform(x_test)) - x_test) ** 2).sum(1).mean())
        model, figures = trained(recipe, code=code, **keys)
        with torch.no_grad():
            span = model.decoder(torch.eye(code)) - model.decoder(torch.zeros(1, code))
        angles = subspace_angles(span.flatten(1).T, torch.from_numpy(exact.components_.T))
        name = " ".join([recipe, str(code), *(f"{key}={value}" for key, value in keys.items())])
        rows.append(
            row(
                name,
                figures,
                "sse_per_image",
                pca_sse_per_image=error,
                above_pca_percent=100 * (figures["sse_per_image"] / error - 1),
                largest_angle_degrees=float(angles[0]),
            )
        )
    write(
        "undercomplete-pca",
        "MNIST, squared error a test picture; principal angles between the span of the decoder "
        "and that of scikit-learn's PCA",
        rows,
        time.perf_counter() - began,
    )


def deep() -> None:
    """A curved surface: 30 numbers as in Hinton & Salakhutdinov (2006), and 24 numbers, the smallest error we have."""
    began = time.perf_counter()
    rows = []
    for code in (30, 24):
        _, figures = trained("deep", code=code)
        rows.append(row(f"deep {code}", figures, "sse_per_image", "psnr", "ssim", "seconds_per_epoch"))
        print(rows[-1], flush=True)
    write(
        "undercomplete-deep",
        "MNIST, 784-1000-500-250-code and back, recipe's own defaults (80 epochs, small affine "
        "augmentation for the first four fifths), 60,000 pictures, last weights",
        rows,
        time.perf_counter() - began,
    )


def quantized() -> None:
    """The codebook in use: 512 codes on Fashion-MNIST."""
    began = time.perf_counter()
    rows = []
    for name, keys in (
        ("quantized vq", {"epochs": 10}),
        ("quantized fsq", {"epochs": 10, "quantizer": "fsq"}),
    ):
        _, figures = trained("quantized", "fashion-mnist", **keys)
        rows.append(
            row(
                name,
                figures,
                "codebook_usage",
                "codebook_perplexity",
                "sse_per_image",
                "psnr",
                "compression_factor",
                "seconds_per_epoch",
            )
        )
        print(rows[-1], flush=True)
    write(
        "undercomplete-quantized",
        "Fashion-MNIST, 512 codes, 7×7 symbols a picture, 10 epochs; share of the codes met in the "
        "10,000 test pictures",
        rows,
        time.perf_counter() - began,
    )


if __name__ == "__main__":
    main({"start": start, "pca": pca, "deep": deep, "quantized": quantized}, __doc__ or "")
