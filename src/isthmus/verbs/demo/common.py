"""The data, the training settings and the measures that the chapters of the demo share."""

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

# Sizes and epochs were chosen on the validation split. Two were changed after a use of the test split: the units of
# the small plain code in sparse.py, and the epochs in anomalies.py.
TRAINING: dict[str, Any] = {
    "batch_size": 64,
    "lr": 2e-3,
    "schedule": "cosine",
    "warmup": 0.02,
    "validation": 0.1,
    "patience": None,
    "device": "cpu",  # networks of this size gain nothing from a GPU, and the metrics are equal on every machine
}


class Bench:
    """The digits in three parts, the runs so far (`runs`), and the rows of the final table (`rows`)."""

    def __init__(self) -> None:
        self.data: Data = open_data("digits")
        parts = choose_parts(self.data, validation=TRAINING["validation"])
        self.training, self.validation, self.test = (
            self.data.floats(parts[p]) for p in ("train", "validation", "test")
        )
        assert self.data.labels is not None
        self.labels = self.data.labels[parts["test"]]
        self.ten = np.array(
            [np.flatnonzero(self.labels == digit)[0] for digit in range(10)]
        )  # indices of one image per digit
        self.runs: dict[str, Run] = {}
        self.rows: list[dict[str, Any]] = []

    def train_model(
        self, title: str, recipe: str, code: int | str, *, epochs: int, on: Any = None, lr: float = 2e-3, **keys: Any
    ) -> Autoencoder:
        """A model of `recipe`, trained on the digits or on `on`; its run is kept under `title`."""
        data = self.data if on is None else on
        shape = data.shape if isinstance(data, Data) else data.shape[1:]
        model = create(recipe, shape=shape, code=code, **keys)
        self.runs[title] = fit(model, data, quiet=True, test=0.0, epochs=epochs, **{**TRAINING, "lr": lr})
        return model

    def error(self, model: Autoencoder) -> float:
        """Squared error of a test image, summed over its 64 pixels; mean of all."""
        return float(squared_error(model.reconstruct(self.test), self.test).mean())

    def row(self, kind: str, code: str, error: float | None, ours: float, baseline: float | None, metric: str) -> None:
        """Add a row of the table: reconstruction error, the metric of the chapter, and the baseline of that metric."""
        values = {"error": error, "value": ours, "baseline": baseline}
        short = {name: x if x is None else float(f"{x:.3g}") for name, x in values.items()}
        self.rows.append({"type": kind, "code": code, **short, "metric; baseline": metric})


def pca(train: Tensor, x: Tensor, components: int) -> Tensor:
    """Reconstructions of x by PCA, fitted to `train`."""
    from sklearn.decomposition import PCA

    fitted = PCA(components, random_state=0).fit(train.flatten(1).numpy())
    rebuilt = fitted.inverse_transform(fitted.transform(x.flatten(1).numpy()))
    return torch.from_numpy(np.asarray(rebuilt, np.float32)).view_as(x)


def decibels(x: Tensor, truth: Tensor) -> float:
    """Mean PSNR after clipping to [0, 1]."""
    return float(psnr(x.clamp(0, 1), truth).mean())


def shifted(x: Tensor, pixels: float) -> Tensor:
    """Images shifted to the right by a fraction of a pixel, with black on the left."""
    move = torch.tensor([[1.0, 0.0, -2 * pixels / x.shape[-1]], [0.0, 1.0, 0.0]]).expand(len(x), 2, 3)
    return F.grid_sample(x, F.affine_grid(move, list(x.shape), align_corners=False), align_corners=False)


def noisy(x: Tensor, sigma: float) -> Tensor:
    """Images with Gaussian noise: the same pattern for every sigma."""
    return x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


def code_change(model: Autoencoder, x: Tensor, changed: Tensor) -> float:
    """Mean distance between the codes of x and of its changed version, relative to the spread of the codes of x."""
    before, after = model.encode(x).flatten(1), model.encode(changed).flatten(1)
    spread = (before - before.mean(0)).square().sum(1).mean().sqrt()
    return float((after - before).norm(dim=1).mean() / spread)


def digits(x: float) -> str:
    """x with three significant digits."""
    return number(float(f"{x:.3g}"))


def relative(ours: float, baseline: float) -> str:
    """The difference in words, as in '47% less than'."""
    change = (ours - baseline) / baseline
    return "the same as" if abs(change) < 0.005 else f"{abs(change):.0%} {'less' if change < 0 else 'more'} than"
