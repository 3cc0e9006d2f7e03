"""A prepared run on a bare machine with one NVIDIA GPU: python benchmarks/gpu.py PART ... --out RESULTS

smoke: features never run on a GPU before, a few steps each. speed: a small network and a VAE, and the same loop written
by hand. train NAME ...: shipped models at a larger budget, one after the other, --minutes each. Every part writes its
result to RESULTS at once (NAME.json, and NAME.tar with weights, config and history), so an interrupted run loses one
part. `--device cpu --minutes 0.2` rehearses it. benchmarks/held_back.py evaluates the results on held-back training
images, never on a test set, and packs better ones.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tarfile
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import isthmus
from common import machine
from isthmus import store
from isthmus.verbs.train import train
from train_models import GPU_PLANS, begun_from, learned, linked

Row = dict[str, Any]
WARM, TIMED = 30, 40  # steps before the clock runs, and under it
STEERED = 200  # steps after which the pace is looked at again
RUNS = Path("gpu-runs")  # where a later model finds the one it begins with
SPARE = 0.94  # of the time is planned


def written(out: Path, name: str, record: Any) -> None:
    out.mkdir(parents=True, exist_ok=True)
    known = {"machine": machine(), "torch": torch.__version__, "date": time.strftime("%Y-%m-%d")}
    (out / f"{name}.json").write_text(json.dumps(known | {"rows": record}, indent=1) + "\n")


def smoke(out: Path, device: str, minutes: float) -> None:
    """Each check is its own: one that fails is recorded, and the others continue."""
    from smoke_checks import CHECKS

    rows: list[Row] = []
    for name, check in CHECKS.items():
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = check(device, Path(folder)) or {}
            except Exception as error:
                found = {"failed": f"{type(error).__name__}: {error}"[:400], "where": traceback.format_exc()[-700:]}
        rows.append({"check": name, **found, "seconds": round(time.perf_counter() - began, 2)})
        print(rows[-1], flush=True)
        written(out, "smoke", rows)


def speed(out: Path, device: str, minutes: float) -> None:
    """Pictures a second of a training, beside a loop by hand that does the same and no more."""
    rows: list[Row] = []
    count = 60_000 if device == "cuda" else 2_000
    items = torch.randint(0, 256, (count, 784), dtype=torch.uint8)
    colors = torch.randint(0, 256, (count // 10, 3, 64, 64), dtype=torch.uint8)
    for name, data, recipe, keys, batch, compiled in (
        ("784-24-784", items, "undercomplete", {"code": 24, "widths": "none"}, 256, False),
        ("784-24-784, batches of 4096", items, "undercomplete", {"code": 24, "widths": "none"}, 4096, False),
        ("convolutional VAE, 64 px, bf16", colors, "variational", {"net": "conv"}, 128, False),
    ):
        try:
            rows.append({"net": name, **measured_speed(data, recipe, keys, batch, compiled, device)})
        except Exception as error:
            rows.append({"net": name, "failed": f"{type(error).__name__}: {error}"[:400]})
        print(rows[-1], flush=True)
        written(out, "speed", rows)


def measured_speed(data: torch.Tensor, recipe: str, keys: Row, batch: int, compiled: bool, device: str) -> Row:
    shape = tuple(data.shape[1:])
    options: Row = {"device": device, "quiet": True, "validation": 0.0, "test": 0.0, "batch_size": batch}
    options |= {"compile": compiled, "precision": "bf16-mixed" if len(shape) == 3 else "32-true"}
    model = isthmus.create(recipe, shape=shape, **{k: v for k, v in keys.items() if v != "none"})
    epochs = 5 if device == "cuda" else 2
    run = isthmus.fit(model, data.numpy(), epochs=epochs, **options)
    ours = len(data) / min(row["seconds"] for row in run.history)
    return {"batch": batch, "pictures_a_second": round(ours), "by_hand": round(by_hand(data, batch, device, shape))}


def by_hand(data: torch.Tensor, batch: int, device: str, shape: tuple[int, ...]) -> float:
    """A loop over data on the device, with nothing but the step; of pictures, a net of four convolutions."""
    nn = torch.nn
    if len(shape) == 1:
        net: Any = nn.Sequential(nn.Linear(784, 24), nn.ReLU(), nn.Linear(24, 784), nn.Sigmoid())
    else:
        net = nn.Sequential(
            *(nn.Conv2d(3, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU()),
            *(nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.Sigmoid()),
        )
    net, data = net.to(device), data.to(device)
    adam = torch.optim.Adam(net.parameters(), 1e-3, fused=True)
    best = 0.0
    for _ in range(3):
        began = time.perf_counter()
        for rows in torch.randperm(len(data), device=device).split(batch):
            x = data[rows].float() / 255
            loss = torch.nn.functional.binary_cross_entropy(net(x), x)
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, len(data) / (time.perf_counter() - began))
    return best


def train_one(name: str, out: Path, device: str, minutes: float) -> None:
    """Train a shipped model for so many minutes, all of them counted, and leave NAME.tar."""
    began, plan, runs = time.perf_counter(), GPU_PLANS[name], RUNS
    sources = runs / "sources"
    folder = learned(plan, sources / name)
    keys = dict(plan.keys)
    if "overlay" in keys:
        keys["overlay"] = str(linked(sources / "logos", (("logos_cc0", plan.logos),)))
    keys |= {"device": device, "validation": 0.0, "quiet": True, "init": plan.init and str(begun_from(plan.init, runs))}
    if device == "cpu":
        keys |= {"batch_size": 2, "workers": min(1, keys.get("workers", 0)), "compile": False, "precision": "32-true"}
    times: list[float] = []

    def ticked(training: Any) -> None:
        if training.step in (warm, warm + timed):
            if device == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter())
        if training.step == warm + timed:
            training.finished = "timed"

    warm, timed = (WARM, TIMED) if device == "cuda" else (1, 2)
    trial = train(plan.recipe, folder, out=runs / f"{name}-trial", epochs=1000, callbacks={"step": ticked}, **keys)
    a_step = (times[1] - times[0]) / timed
    count, batch = len(trial.parts["train"]), trial.model.about["training"]["batch_size"]
    shutil.rmtree(runs / f"{name}-trial")
    end = began + 60 * minutes * SPARE
    steps = max(10, int((end - time.perf_counter()) / a_step))
    measured = {"squares": count, "batch": batch, "ms_a_step": round(1000 * a_step, 2), "steps": steps}
    print({"model": name, **measured, "prepared": round(time.perf_counter() - began)}, flush=True)
    clock: dict[str, Any] = {"step": 0, "at": time.perf_counter()}

    def steered(training: Any) -> None:
        """Others share the device, so the end of the schedule is moved to where the time will be spent."""
        clock["training"], now = training, time.perf_counter()
        if training.step - clock["step"] >= STEERED:
            pace = (now - clock["at"]) / (training.step - clock["step"])
            training.options["epochs"] = (training.step + max(1, (end - now) / pace)) / training.epoch_steps
            clock.update(step=training.step, at=now)

    run = RUNS / name
    status = "done"
    try:
        epochs = steps / -(-count // batch)
        done = train(plan.recipe, folder, out=run, epochs=epochs, callbacks={"step": steered}, **keys)
        weights, history = store.read_weights(run), done.history
    except KeyboardInterrupt:  # the time was over all the same: what has been learned is not lost
        training, status = clock["training"], "stopped"
        weights, history = training.stepper.average.weights(), training.history
    store.write_tensors(run / "half.safetensors", {key: value.half() for key, value in weights.items()})
    row = {"model": name, **measured, "steps": clock["training"].step, "seconds": round(time.perf_counter() - began)}
    row |= {"status": status, "keys": plan.keys, "per_value": [epoch["loss_per_value"] for epoch in history]}
    written(out, name, [row])
    with tarfile.open(out / f"{name}.tar", "w") as tar:
        for file in ("half.safetensors", store.CONFIG, store.HISTORY):
            tar.add(run / file, file)
    print({key: value for key, value in row.items() if key not in ("keys", "per_value")}, flush=True)


PARTS: dict[str, Callable[[Path, str, float], None]] = {"smoke": smoke, "speed": speed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=[*PARTS, *GPU_PLANS], metavar="PART")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=8.0, help="for each model that is trained")
    given = parser.parse_args()
    for part in given.parts:
        try:
            if part in PARTS:
                PARTS[part](given.out, given.device, given.minutes)
            else:
                train_one(part, given.out, given.device, given.minutes)
        except Exception as error:
            written(given.out, f"{part}-failed", [{"error": traceback.format_exc()[-3000:]}])
            print(f"{part}: {type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main()
