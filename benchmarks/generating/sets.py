"""The pictures of the parts: training and test pictures of MNIST, Fashion-MNIST and patches of photos."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from isthmus.data.builtin import BUILTIN

SETS = ("mnist", "fashion-mnist", "patches")
TITLES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "patches": "32×32 patches of photos"}
SIDE, COUNTS, PHOTOS = 32, {"train": 30_000, "test": 10_000}, 300  # photos to train on; the others are for the test


def training_images(data: str) -> Any:
    """What isthmus.train takes: the name of a built-in set, whose training split it uses, or N×3×32×32 uint8."""
    return patches("train") if data == "patches" else data


def images(data: str, part: str) -> Tensor:
    """N×C×H×W in [0, 1]. part: train or test."""
    if data == "patches":
        return torch.from_numpy(patches(part)).float() / 255
    opened = BUILTIN[data]()
    return opened.floats(opened.parts[part])


@cache
def patches(part: str) -> np.ndarray:
    """Seeded crops of bsd400_color, N×3×32×32 uint8; no photo gives both training and test patches."""
    files = sorted(Path(os.environ.get("ISTHMUS_DATA", ""), "bsd400_color").glob("*.jpg"))
    if not files:
        raise SystemExit("nothing is written: no bsd400_color under ISTHMUS_DATA")
    files = np.random.RandomState(0).permutation(files).tolist()
    photos = [np.asarray(Image.open(path)) for path in (files[:PHOTOS] if part == "train" else files[PHOTOS:])]
    random = np.random.RandomState(1)
    crops = np.empty((COUNTS[part], 3, SIDE, SIDE), np.uint8)
    for place in range(len(crops)):
        photo = photos[place % len(photos)]
        top, left = (random.randint(length - SIDE + 1) for length in photo.shape[:2])
        crops[place] = photo[top : top + SIDE, left : left + SIDE].transpose(2, 0, 1)
    return crops
