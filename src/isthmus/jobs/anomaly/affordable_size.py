"""The image size at which a time budget suffices to train a detector on enough images."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch

from isthmus.autoencoder import Autoencoder
from isthmus.distributed import named_device
from isthmus.recipes import Recipe, create
from isthmus.recipes.builders import is_small
from isthmus.types import Context, Noise, Sample, Shape

SIDES = (192, 128)  # sizes to choose from; below 128 faint defects are lost
IMAGES_SEEN = 40_000  # images (epochs × size of the data set) after which a detector begins to work
TRIAL, TRIALS = (
    (32, 64),
    4,
)  # images per step and their side, in the trial that measures the time per pixel; number of trial steps


def side_within(
    recipe: Recipe, budget: float, shape: Shape, code: Any, keys: Mapping[str, Any], training: Mapping[str, Any]
) -> int | None:
    """The side to which images of `shape` are resized for a training of `budget` seconds; None to keep their size.

    The time of a step is proportional to its pixels, and many small images train a network better than few large ones.
    keys: of the recipe; training: the resolved options.
    """
    if len(shape) != 3 or is_small(shape) or named_device(training["device"]) != "cpu" or training["devices"] > 1:
        return None
    count, side = TRIAL
    trial_model = create(recipe.name, shape=(shape[0], side, side), code=code, seed=training["seed"], **keys)
    if trial_model.features is not None:
        return None  # features are computed once, so the size hardly matters to the time
    affordable = budget / seconds_a_pixel(trial_model, count)
    if affordable >= IMAGES_SEEN * shape[1] * shape[2]:
        return None
    smaller = [side for side in SIDES if side < max(shape[1:])]
    return next((side for side in smaller if affordable >= IMAGES_SEEN * side**2), min(smaller, default=None))


def seconds_a_pixel(model: Autoencoder, count: int) -> float:
    """The shortest measured time of a training step of `count` images, in seconds per pixel."""
    x, times = torch.rand(count, *model.shape, generator=torch.Generator().manual_seed(0)), []
    for number in range(TRIALS):
        start = time.perf_counter()
        model(Sample.of(x), Context(Noise(0, number, count))).total.mean().backward()
        times.append(time.perf_counter() - start)
    return min(times[1:]) / (count * model.shape[1] * model.shape[2])  # the first step includes setup
