"""The cases of the contract: every recipe with every kind of input, and keys of recipes by pairwise choice."""

from __future__ import annotations

import math
import os
import signal
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from isthmus import create, fit
from isthmus.autoencoder import Autoencoder
from isthmus.data import Data, open_data
from isthmus.jobs import find_job
from isthmus.objectives import LOSSES
from isthmus.plugins import load_plugins
from isthmus.recipes import RECIPES
from isthmus.training import Run
from isthmus.types import Sample

SHAPES = {"gray": (1, 9, 11), "color": (3, 10, 7), "table": (13,)}
SMALL = {"widths": (24,), "channels": (8, 16), "codes": 16, "dim": 4, "k": 3, "levels": (5, 4, 3)}
# Pairwise: each recipe meets each kind of input once, and each of these keys meets one recipe. The first kind of every
# recipe has its defaults, except conv, whose keys are more than its kinds.
KEYS: dict[tuple[str, str], dict[str, Any]] = {
    ("undercomplete", "color"): {"corruption": "masking:0.3+gaussian:0.1", "loss": "mse"},
    ("deep", "color"): {"loss": "l1"},
    ("deep", "table"): {"norm": False},
    ("conv", "color"): {"down": "pool", "up": "transpose", "augment": "affine", "norm": False},
    ("denoising", "color"): {"net": "conv", "corruption": "salt-and-pepper:0.2", "loss": "ssim"},
    ("denoise", "color"): {"corruption": "neighbors"},
    ("sparse", "color"): {"kind": "kl", "net": "conv", "loss": "bce"},
    ("sparse", "table"): {"kind": "topk"},
    ("contractive", "color"): {"widths": (16,)},
    ("variational", "color"): {"net": "conv", "code": "2x3x2", "loss": "gaussian"},
    ("quantized", "color"): {"quantizer": "fsq"},
    ("generate", "color"): {"kind": "kl", "perceptual": 0.1, "adversarial": 0.1},
}
MORE = [
    ("conv", "gray", {"code": "3x3x3"}),
    ("conv", "color", {"loss": "categorical"}),
    ("quantized", "color", {"code": "7"}),
]
assert {keys["loss"] for keys in (*KEYS.values(), *(keys for *_, keys in MORE)) if "loss" in keys} == set(LOSSES)
load_plugins()  # recipes of installed packages owe the same
TRAINING = {"epochs": 4, "batch_size": 8, "device": "cpu", "quiet": True}


def items(shape: tuple[int, ...], count: int = 32) -> Tensor:
    """Items between 0 and 1 that lie on a surface of three dimensions, so that few numbers can tell them."""
    random = torch.Generator().manual_seed(0)
    directions = torch.randn(3, math.prod(shape), generator=random)
    return torch.sigmoid(torch.randn(count, 3, generator=random) @ directions).view(count, *shape)


def output_shape(model: Autoencoder, x: Tensor) -> tuple[int, ...]:
    return (len(x), model.spec.outputs or x.shape[1], *(model.scale * side for side in x.shape[2:]))


@dataclass
class Case:
    recipe: str
    kind: str
    keys: dict[str, Any]
    folder: Path | None = None

    def new(self, seed: int = 1) -> Autoencoder:
        known = RECIPES[self.recipe].keys
        small = {key: value for key, value in SMALL.items() if key in known and known[key][0] != ()}
        small = {key: value for key, value in small.items() if self.uses(key)}
        has_code = self.recipe not in ("quantized", "denoise", "inpaint", "unwatermark", "upscale", "segment")
        code = {"code": 5} if has_code else {}
        return create(self.recipe, shape=SHAPES[self.kind], seed=seed, **{**code, **small, **self.keys})

    def uses(self, key: str) -> bool:
        """Whether a key has an effect beside this case's; items are so small that net=auto is dense."""
        recipe = RECIPES[self.recipe]
        if key == "k" and self.recipe == "detect":  # which counts neighbors for the score knn alone
            return False
        return recipe.has_effect(key, {"net": "dense"} | self.keys)

    @property
    def x(self) -> Tensor:
        return items(SHAPES[self.kind])

    def data(self, count: int = 32) -> Data:
        """The items, with labels as their target where the job learns labels: the brighter half of an item is 1."""
        x = self.x[:count]
        data = open_data(x)
        if find_job(RECIPES[self.recipe].job).target != "labels":
            return data
        bright = (x.mean(1, keepdim=True) > 0.5).to(torch.uint8)
        return data.with_field("target", open_data(bright, kind="labels"))

    def sample(self, count: int = 32) -> Sample:
        return self.data(count).sample(range(count)).in_units()

    @cached_property
    def undisturbed(self) -> Run:
        return fit(self.new(), self.data(), **TRAINING)

    @cached_property
    def resumed(self) -> Run:
        """Stopped by Ctrl-C in the middle of the third epoch, and taken up by another model."""
        assert self.folder is not None
        out, stopped = self.folder / "run", self.new(seed=7)
        stopped.load_state_dict(self.new().state_dict())
        stopped.about = self.new().about
        with pytest.raises(KeyboardInterrupt):
            fit(press_ctrl_c(stopped, after=10), self.data(), out=out, **TRAINING)
        return fit(self.new(), self.data(), out=out, resume=True, **TRAINING)


def press_ctrl_c(model: Autoencoder, after: int) -> Autoencoder:
    """The same model, which gets a Ctrl-C while it is at step `after`."""
    own, done = model.after_step, []

    def after_step(sums: dict[str, Any]) -> None:
        own(sums)
        done.append(1)
        if len(done) == after:
            os.kill(os.getpid(), signal.SIGINT)

    model.after_step = after_step  # type: ignore[method-assign]
    return model


# One recipe of each family, which `make quick` tests with its defaults.
FAMILIES = ("undercomplete", "denoising", "sparse", "contractive", "variational", "quantized", "denoise", "detect")
PAIRS = [(name, kind) for name, recipe in RECIPES.items() for kind in recipe.inputs]
CASES = [Case(name, kind, KEYS.get((name, kind), {})) for name, kind in PAIRS]
CASES += [Case(*more) for more in MORE]


def label(case: Case) -> str:
    return "-".join([case.recipe, case.kind, *(f"{key}={value}" for key, value in case.keys.items())])


def is_quick(case: Case) -> bool:
    return case.recipe in FAMILIES and case.kind == "gray" and not case.keys
