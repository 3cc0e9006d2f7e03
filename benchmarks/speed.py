"""The speed of isthmus relative to other programs for the same work, as ratios of medians from one run.

    python benchmarks/speed.py [dense | conv | folder | gpu | startup] ... [--quick] [--loaded]

Five rounds; in each, every program runs once, in its own process and environment (`make bench-peers`), with the same
images, two threads and two cores. The first epoch of a process compiles and warms up, and does not count, except for
the folder, where it is a figure. Each part writes results/speed-PART.json; --quick is one round with few images that
only checks that everything runs. A busy machine (a load above half its cores) is refused; --loaded measures there too,
which is recorded in the results file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import isthmus
from common import main
from crops import crops
from interleaved import QUICK, compare, enter, record, script
from isthmus.types import Context, Sample
from peers.convnet import WIDTHS, ConvVAE

KERAS, PYTHAE = (str(Path(__file__).parents[1] / ".peers" / name / "bin" / "python") for name in ("keras", "pythae"))
OURS = {"isthmus": "isthmus", "compiled": "isthmus, compiled"}


def ours(file: Path, recipe: str, create: dict[str, Any], batch: int, *epochs: int, device: str = "cpu") -> Any:
    """Our own contenders, as it comes and with torch.compile."""
    fit = {"batch_size": batch, "device": device}
    return {
        name: script("ours", file, recipe, json.dumps(create), json.dumps(fit | more), *epochs)
        for name, more in (("isthmus", {}), ("isthmus, compiled", {"compile": True}))
    }


def later(said: dict[str, Any]) -> list[float]:
    return said["epoch_seconds"][1:]


def first(said: dict[str, Any]) -> list[float]:
    return said["epoch_seconds"][:1]


def dense() -> None:
    """784-24-784 on MNIST, the seconds of an epoch."""
    began = time.perf_counter()
    epochs, count = (2, 2560) if QUICK else (4, 60_000)
    x_train, x_test = isthmus.datasets.mnist()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mnist.npz"
        np.savez(file, train=x_train[:count], test=x_test[:1000])
        measured = enter(
            {
                **ours(file, "undercomplete", {"shape": [1, 28, 28], "code": 24}, 256, epochs),
                "Keras on JAX": script("keras_undercomplete", file, epochs, "jax", python=KERAS),
                "bare PyTorch loop": script("bare", "dense", file, 256, "cpu", epochs),
                "bare PyTorch loop, DataLoader": script("bare", "loader", file, 256, "cpu", epochs),
                "pythae": script("pythae_training", "dense", file, 256, epochs, python=PYTHAE),
                "Keras on torch": script("keras_undercomplete", file, epochs, "torch", python=KERAS),
                "floor: the products alone": script("floor", epochs, count, 256),
            }
        )
    rows = compare(measured, later, **OURS)
    for row, warming in zip(rows, compare(measured, first), strict=True):
        row["first_epoch_seconds"] = warming["seconds"]
    if "isthmus, compiled" in measured:
        rows[1]["compile_seconds"] = measured["isthmus, compiled"][0]["epoch_seconds"][0] - rows[1]["seconds"]
    record(
        "dense",
        "784-24 ReLU-784, per-pixel BCE (pythae: summed squared error, the only loss its AE has), Adam 1e-3, batch "
        f"256, all {count:,} MNIST training pictures; seconds of an epoch, 3 epochs after the first in each of 5 "
        "rounds, all in turn, median; _times: theirs over ours, _range: lowest and highest round; "
        "compile_seconds: what the first epoch of the first round took more",
        rows,
        began,
        {"dense": measured},
    )


def conv() -> None:
    """The same convolutional VAE in each, on gray 28×28 and color 64×64 pictures."""
    began = time.perf_counter()
    epochs = 2 if QUICK else 3
    x_train, _ = isthmus.datasets.mnist()
    sets = {"1×28×28": x_train[: 256 if QUICK else 3000, None]}
    if (cropped := crops(128 if QUICK else 1000, 64)) is not None:
        sets["3×64×64"] = cropped
    rows, measured, same = [], {}, {}
    for name, pixels in sets.items():
        shape = list(pixels.shape[1:])
        same[name] = check_same_net(pixels)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "pictures.npz"
            np.savez(file, train=pixels)
            create = {"shape": shape, "code": 16, "net": "conv", "loss": "bce"}
            measured[name] = enter(
                {
                    **ours(file, "variational", create, 128, epochs),
                    "bare PyTorch loop": script("bare", "conv", file, 128, "cpu", epochs),
                    "pythae": script("pythae_training", "conv", file, 128, epochs, python=PYTHAE),
                }
            )
        rows += [{"pictures": name, **row} for row in compare(measured[name], later, **OURS)]
    counts = ", ".join(f"{len(pixels):,} of {name}" for name, pixels in sets.items())
    record(
        "conv",
        "variational, net=conv, loss=bce, code 16: layer for layer the same net in each (the loss of one batch agrees "
        f"to 1e-4), negative ELBO, Adam 1e-3, batch 128; {counts} (MNIST; seeded crops of BSD400 in color); seconds "
        "of an epoch, 2 epochs after the first in each of 5 rounds, all in turn, median",
        rows,
        began,
        measured,
        net=same,
    )


def check_same_net(pixels: np.ndarray) -> dict[str, Any]:
    """Parameter count, and how far the losses of one batch are apart with our weights in the plain net, mean code."""
    shape = pixels.shape[1:]
    model = isthmus.create("variational", shape=shape, code=16, net="conv", loss="bce")
    plain = ConvVAE(shape, WIDTHS[shape[-1]])
    weights = model.state_dict()
    plain.load_state_dict(dict(zip(plain.state_dict(), weights.values(), strict=True)))
    x = torch.from_numpy(pixels[:32]).float() / 255
    with torch.no_grad():
        mine, theirs = float(model(Sample.of(x), Context()).total), float(plain.loss(x, noise=False))
    if abs(mine - theirs) > 1e-4 * abs(mine):
        raise SystemExit(f"not the same net: losses {mine} and {theirs}")
    return {"parameters": sum(p.numel() for p in plain.parameters()), "loss_apart": abs(mine - theirs) / abs(mine)}


def folder() -> None:
    """5,000 JPEGs of 128 px, read in shuffled batches."""
    began = time.perf_counter()
    epochs = 2 if QUICK else 4
    if (cropped := crops(256 if QUICK else 5000, 128)) is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        for place, picture in enumerate(cropped):
            Image.fromarray(picture.transpose(1, 2, 0)).save(Path(folder, f"{place:05d}.jpg"), quality=90)
        measured = enter(
            {
                "isthmus": script("folder_ours", folder, 128, epochs),
                "isthmus, large": script("folder_ours", folder, 128, epochs, "large"),
                "DataLoader and Pillow": script("folder_torch", folder, 128, epochs),
            }
        )
    own = {"isthmus": "isthmus", "large": "isthmus, large"}
    rows = [
        {"epoch": name, **row}
        for name, pick in (("first", first), ("later", later))
        for row in compare(measured, pick, **own)
    ]
    record(
        "folder",
        f"{len(cropped):,} seeded crops of BSD400 in color, 128×128, JPEG quality 90, read in shuffled batches of 128 "
        "as float32 in [0, 1]; the DataLoader with 2 workers that stay; the first epoch includes opening the folder; "
        "files just written, so in the system's memory for all; 'large': as if over the memory budget, with an empty "
        "cache at the start; later: 3 epochs; 5 rounds, all in turn, median",
        rows,
        began,
        {"folder": measured},
    )


def gpu() -> None:
    """784-24-784 on MNIST on one GPU, 50 epochs."""
    if not torch.cuda.is_available():
        print("no GPU that torch can use: left out", flush=True)
        return
    began = time.perf_counter()
    epochs = 3 if QUICK else 50
    x_train, _ = isthmus.datasets.mnist()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mnist.npz"
        np.savez(file, train=x_train)
        create = {"shape": [1, 28, 28], "code": 24}
        measured = enter(
            {
                **ours(file, "undercomplete", create, 256, 1, 1, epochs, device="cuda"),
                "bare PyTorch loop": script("bare", "dense", file, 256, "cuda", 1, 1, epochs),
            },
            gpu=True,
        )

    def alone(said: dict[str, Any]) -> list[float]:
        return [(said["whole"][2] - said["whole"][1]) / (epochs - 1)]

    def whole(said: dict[str, Any]) -> list[float]:
        return [said["whole"][2]]

    rows = [{"timed": "an epoch", **row} for row in compare(measured, alone, **OURS)]
    rows += [{"timed": f"{epochs} epochs, whole", **row} for row in compare(measured, whole, **OURS)]
    for row, passes in zip(rows, [1] * len(measured) + [epochs] * len(measured), strict=True):
        row["pictures_per_second"] = passes * len(x_train) / row["seconds"]
    for row, said in zip(rows, measured.values(), strict=False):
        row["cold_seconds"] = said[0]["whole"][0]
    record(
        "gpu",
        f"784-24 ReLU-784, BCE, Adam 1e-3, batch 256, {len(x_train):,} MNIST pictures, one GPU, float32; a process "
        f"trains 1, 1 and {epochs} epochs; whole: all of the third, from the pixels in memory to the last weight; an "
        f"epoch: the third less the second, over {epochs - 1}; cold_seconds: the first training of the first round, "
        "with starting the GPU and compiling; 5 rounds in turn, median",
        rows,
        began,
        {"gpu": measured},
    )


def startup() -> None:
    """Until the first answer: importing isthmus, and the help of its command."""
    began = time.perf_counter()
    tell = "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules)); "
    python = [sys.executable, "-c"]
    contenders = {
        "import isthmus": [*python, f"{tell}import isthmus"],
        "isthmus --help": [*python, f"{tell}from isthmus.cli import main; main()", "--help"],
        "import torch": [*python, f"{tell}import torch"],
        "python alone": [*python, f"{tell}pass"],
    }

    def timed(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return {"seconds": time.perf_counter() - began, "torch": done.stdout.splitlines()[-1] == "True"}

    for command in contenders.values():  # once before the clock starts: bytecode is written, files come into memory
        timed(command, dict(os.environ))
    measured = enter(contenders, needed="import isthmus", run=timed)
    rows = compare(measured, lambda said: [said["seconds"]], isthmus="import isthmus", help="isthmus --help")
    for row, said in zip(rows, measured.values(), strict=True):
        row["imports_torch"] = any(one["torch"] for one in said)
    record("startup", "seconds of a whole process, 5 rounds in turn, median", rows, began, {"startup": measured})


if __name__ == "__main__":
    sys.argv = [argument for argument in sys.argv if argument not in ("--quick", "--loaded")]
    main({"dense": dense, "conv": conv, "folder": folder, "gpu": gpu, "startup": startup}, __doc__ or "")
