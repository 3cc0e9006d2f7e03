"""Checks of a device, each a few steps long: it raises where something is wrong, and may return figures."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import isthmus
from isthmus.data import open_data
from isthmus.recipes import RECIPES

SMALL: dict[str, Any] = {"quiet": True, "batch_size": 8, "validation": 0.2, "test": 0.0}
PICTURES = np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32), np.uint8)
WATERMARKS = np.random.default_rng(0).integers(0, 256, (16, 3, 64, 64), np.uint8)


def recipes(device: str, folder: Path) -> dict[str, Any]:
    failed = {}
    for name in RECIPES:
        data = WATERMARKS if name in ("unwatermark", "upscale") else PICTURES
        try:
            run = isthmus.fit(made(name, data.shape[1:]), data, device=device, epochs=0.6, **SMALL)
            assert np.isfinite(run.history[-1]["loss"]), "the loss is no number"
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"[:200]
    return {"recipes": len(RECIPES)} | ({"failed": failed} if failed else {})


def made(name: str, shape: tuple[int, ...], **keys: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return isthmus.create(name, shape=shape, seed=0, **keys)


def resume(device: str, folder: Path) -> dict[str, Any]:
    """Stopped and resumed, the weights are those of a run that was never stopped, to the bit."""
    options = SMALL | {"device": device, "epochs": 3, "validation": 0.0}
    whole = isthmus.fit(made("variational", (784,)), ROWS, **options)
    stop = {"step": lambda training: training.step == 5 and os.kill(os.getpid(), signal.SIGINT)}
    with suppress(KeyboardInterrupt):
        isthmus.fit(made("variational", (784,)), ROWS, out=folder / "run", callbacks=stop, **options)
        raise AssertionError("it was not stopped")
    again = isthmus.fit(made("variational", (784,)), ROWS, out=folder / "run", resume=True, **options)
    pairs = zip(whole.model.state_dict().values(), again.model.state_dict().values(), strict=True)
    differ = max(float((a - b).abs().max()) for a, b in pairs)
    assert differ == 0, f"weights differ by {differ:g}"
    return {}


ROWS = np.random.default_rng(1).integers(0, 256, (64, 784), np.uint8)


def bf16(device: str, folder: Path) -> dict[str, Any]:
    losses = {}
    for precision in ("32-true", "bf16-mixed"):
        model = made("denoise", (3, 32, 32), channels="16,32", crop=32)
        run = isthmus.fit(model, PICTURES, device=device, precision=precision, epochs=10, **SMALL)
        losses[precision] = run.history[-1]["loss_per_value"]
    return {key: round(value, 5) for key, value in losses.items()}


def same_as_cpu(device: str, folder: Path) -> dict[str, Any]:
    """What a shipped model makes of a picture on this device and on the processor."""
    x = torch.from_numpy(PICTURES[:2]).float() / 255
    model = isthmus.load("denoise-color")
    cpu = model.restore(x)
    there = model.to(device).restore(x.to(device)).cpu()
    differ = float((cpu - there).abs().max())
    assert differ < 5e-3, f"differs by {differ:g}"
    return {"differs": differ}


def onnx(device: str, folder: Path) -> dict[str, Any]:
    import onnxruntime

    from isthmus.verbs.export import export

    isthmus.fit(made("undercomplete", (784,), code=8), ROWS, out=folder / "run", device=device, epochs=1, **SMALL)
    onnxruntime.InferenceSession(str(export(folder / "run", folder / "net.onnx")))
    return {}


def detect(device: str, folder: Path) -> dict[str, Any]:
    pictures = folder / "good"
    pictures.mkdir()
    smooth = torch.nn.functional.interpolate(torch.rand(40, 3, 4, 4), 64, mode="bilinear").mul(255).byte()
    for number, picture in enumerate(smooth.movedim(1, -1).numpy()):
        Image.fromarray(picture).save(pictures / f"{number}.png")
    run = isthmus.train("detect", pictures, out=folder / "run", device=device, epochs=2, quiet=True)
    found = run.model.detect(open_data(pictures).batch(range(4)).numpy())
    assert np.isfinite(np.asarray(found.score)).all()
    return {}


def tiled(device: str, folder: Path) -> dict[str, Any]:
    """A large photo, part by part on the device."""
    large = np.random.default_rng(2).integers(0, 256, (1500, 2000, 3), np.uint8)
    Image.fromarray(large).save(folder / "large.png")
    isthmus.denoise(folder / "large.png", out=folder / "out.png", device=device, model="denoise-color")
    with Image.open(folder / "out.png") as image:
        assert image.size == (2000, 1500)
    return {}


def compiled(device: str, folder: Path) -> dict[str, Any]:
    model = made("denoise", (3, 32, 32), channels="16,32", crop=32)
    isthmus.fit(model, PICTURES, device=device, precision="bf16-mixed", compile=True, epochs=2, **SMALL)
    return {}


def workers(device: str, folder: Path) -> dict[str, Any]:
    model = made("denoise", (3, 32, 32), channels="16,32", crop=32)
    isthmus.fit(model, PICTURES, device=device, workers=2, epochs=2, **SMALL)
    return {}


CHECKS: dict[str, Callable[[str, Path], dict[str, Any] | None]] = {
    "recipes": recipes,
    "resume": resume,
    "bf16": bf16,
    "same_as_cpu": same_as_cpu,
    "onnx": onnx,
    "detect": detect,
    "tiled": tiled,
    "workers": workers,
    "compiled": compiled,
}
