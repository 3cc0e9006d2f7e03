"""How large the pictures of a detector may be, so that a budget suffices to learn from enough of them."""

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

SIDES = (192, 128)  # that pictures may be made smaller to: below that, faint defects are gone
SEEN = 40_000  # pictures, each time they are seen anew, with which a net begins to tell what is normal
TRIED, TRIES = (32, 64), 4  # pictures and their side, by which the time of a pixel is measured


def side_within(
    recipe: Recipe, budget: float, shape: Shape, code: Any, keys: Mapping[str, Any], training: Mapping[str, Any]
) -> int | None:
    """The side that pictures of `shape` are best made to for a training of `budget` seconds; None for their own.

    The time of a step goes with its pixels, so that of smaller pictures more are seen: large ones of which only some
    are seen teach a net less. keys: of the recipe, training: the settled options.
    """
    if len(shape) != 3 or is_small(shape) or named_device(training["device"]) != "cpu" or training["devices"] > 1:
        return None
    count, side = TRIED
    small = create(recipe.name, shape=(shape[0], side, side), code=code, seed=training["seed"], **keys)
    affordable = budget / seconds_a_pixel(small, count)
    if affordable >= SEEN * shape[1] * shape[2]:
        return None
    smaller = [side for side in SIDES if side < max(shape[1:])]
    return next((side for side in smaller if affordable >= SEEN * side**2), min(smaller, default=None))


def seconds_a_pixel(model: Autoencoder, count: int) -> float:
    """The seconds that a step of learning takes for each pixel of `count` pictures in it, at the least."""
    x, times = torch.rand(count, *model.shape, generator=torch.Generator().manual_seed(0)), []
    for number in range(TRIES):
        began = time.perf_counter()
        model(Sample.of(x), Context(Noise(0, number, count))).total.mean().backward()
        times.append(time.perf_counter() - began)
    return min(times[1:]) / (count * model.shape[1] * model.shape[2])  # the first one also sets things up
