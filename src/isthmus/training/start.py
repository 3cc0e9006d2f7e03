"""The start of a module before its first step: from the first samples, such as by PCA or k-means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from isthmus.autoencoder import Autoencoder
from isthmus.data import shards_of
from isthmus.distributed import shard_like
from isthmus.spec import Hooks
from isthmus.types import Sample

if TYPE_CHECKING:
    from isthmus.training.loop import Training

START_ITEMS = 4096  # that the module may see before the first step


def start_module(training: Training) -> bool:
    """Call `start` of the module; whether this has fitted it to the data. A collective call."""
    plain, fabric = training.plain, training.fabric
    hooks = Hooks.of(plain)
    if "init" in hooks.about or hooks.start is None:  # start() would overwrite the weights of the other run
        return False
    plain.to(fabric.device)
    hooks.start(first_samples(training))
    state = plain.state_dict()
    if fabric.world_size > 1:
        state = shard_like(fabric.broadcast(state), training.module.state_dict())
    training.module.load_state_dict(state)
    return isinstance(plain, Autoencoder) and plain.spec.fitted_start


def first_samples(training: Training) -> Iterator[Sample]:
    data, count = training.train_part, len(training.train_part)
    if data.in_memory or shards_of(data) is None:
        rows = torch.randperm(count, generator=torch.Generator().manual_seed(training.options["seed"]))
    else:  # a random choice would read from thousands of shards
        rows = torch.arange(min(START_ITEMS, count))
    for chosen in rows[:START_ITEMS].split(training.options["batch_size"]):
        yield data.sample(chosen).each(lambda tensor: tensor.to(training.fabric.device)).in_units()
