"""Images of bright discs with their masks, and runs of `segment` trained on them for seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import isthmus

NET: dict[str, Any] = {"channels": (12, 24), "fold": 1, "size": 32, "device": "cpu", "quiet": True, "lr": 5e-3}


def scene(seed: int, height: int = 48, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """(H×W uint8 image, H×W int32 objects): bright discs, some of them touching, on a dark ground with noise."""
    random, discs = np.random.default_rng(seed), 3 + seed % 5
    rows, columns = np.mgrid[:height, :width]
    objects = np.zeros((height, width), np.int32)
    for number in range(1, discs + 1):
        row, column, radius = random.integers(6, height - 6), random.integers(6, width - 6), random.integers(4, 7)
        objects[((rows - row) ** 2 + (columns - column) ** 2 <= radius**2) & (objects == 0)] = number
    image = np.where(objects > 0, 180, 60) + random.normal(0, 12, objects.shape)
    return image.clip(0, 255).astype(np.uint8), objects


def write_set(folder: Path, count: int = 12, masks: str = "binary", **size: Any) -> Path:
    """folder/x of images and folder/y of masks: binary (0 and 255), or objects (16 bits)."""
    for kind in ("x", "y"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image, objects = scene(number, **size)
        mask = objects.astype(np.uint16) if masks == "objects" else (255 * (objects > 0)).astype(np.uint8)
        Image.fromarray(image).save(folder / "x" / f"{number:02d}.png")
        Image.fromarray(mask).save(folder / "y" / f"{number:02d}.png")
    return folder


def make_run(folder: Path, masks: str, name: str = "run", **keys: Any) -> Path:
    how = NET | {"epochs": 6, "validation": 0.2, "least_steps": 0} | keys
    with torch.random.fork_rng():
        isthmus.train("segment", folder / "x", masks=folder / "y", out=folder / name, **how)
    return folder / name
