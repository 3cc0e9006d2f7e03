"""After every training: the error beside that of the mean picture, and of PCA with as many numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data, skipping_corrupt
from isthmus.metrics import psnr
from isthmus.networks import Principal
from isthmus.types import Context, Noise, Sample

MOST = 2000  # items that PCA is fitted on, and as many that are measured
NUMBERS = 2**24  # of them, where there is no PCA
CHUNK = 16  # items that the net sees at once
FEW = 100  # steps up to which a model has hardly begun to learn
FAIR = 0.99  # a share of a baseline's error from which on a model counts as no better


@torch.no_grad()
def compare_with_baselines(
    model: Any, data: Data, parts: Mapping[str, np.ndarray], steps: int, kept: int | None
) -> dict[str, Any]:
    """{"part", "items", "psnr", "mse_per_pixel", those of "mean", "pca" and "unchanged", "numbers", "verdict"}; or {}.

    Measured on the validation part, or, where there is none, on the training part. All see the same x̃, and PCA is
    fitted on clean items of the training part. A discrete code, one of as many numbers as an item has, and a net whose
    skips go past any code stand beside the mean alone; a net with skips beside x̃ as it is, too, where that is a
    picture of the same size. {} for what is no Autoencoder, and where what is aimed at is no item of the data.
    """
    if not isinstance(model, Autoencoder) or data.paired or model.scale > 1:
        return {}
    part, many = ("validation" if len(parts["validation"]) else "train"), most(model)
    fitted = floats(data, parts["train"], many)
    held = floats(data, parts[part], many, other=part == "train")
    if not len(fitted) or not len(held):
        return {}
    sample = Sample.of(held)
    if model.corruption is not None:
        sample = model.corruption(sample, Context(Noise(0, 0, len(held))))
        if sample.target[:, : held.shape[1]].shape != held.shape or not model.corruption.clean:
            return {}
    numbers = min(math.prod(model.code_shape), len(fitted) - 1)
    numbers = min(numbers, model.spec.max_active or numbers)
    alone = model.spec.discrete or model.has_skips or numbers >= held[0].numel()
    principal = Principal(fitted, 0 if alone else numbers)
    made = {"model": rebuilt(model, sample, held), "mean": principal.mean.expand(len(held), -1)}
    seen = sample.x[:, : held.shape[1]]
    if principal.known:
        made["pca"] = principal.rebuilt(seen)
    if model.has_skips and seen.shape == held.shape:
        made["unchanged"] = seen
    figures: dict[str, Any] = {"part": part, "items": len(held)}
    for name, picture in made.items():
        picture = picture.view_as(held).clamp(0, 1) if held.dim() == 4 else picture.view_as(held)
        found = {"mse_per_pixel": float((picture - held).square().mean())}
        if held.dim() == 4:
            found["psnr"] = float(psnr(picture, held).mean())
        figures |= found if name == "model" else {name: found}
    if "pca" in figures:
        figures["numbers"] = principal.known
    detects = bool(model.about.get("whole"))  # of too few steps a detector's own doubts tell
    return figures | {"verdict": verdict(figures, FEW if detects else steps, kept)}


def rebuilt(model: Autoencoder, sample: Sample, held: Tensor) -> Tensor:
    """What the model makes of x̃, of the shape of the clean items; some at a time."""
    made = []
    for rows in torch.arange(len(held)).split(CHUNK):
        part = sample.each(lambda tensor, rows=rows: tensor[rows].to(model.device))  # type: ignore[misc]
        y, _ = model.predict(part, Context())
        made.append(model.objective.picture(y)[:, : held.shape[1]].cpu())
    return torch.cat(made)


def most(model: Autoencoder) -> int:
    """Items that are measured: a net with skips, which has no PCA beside it, learns from large ones mostly."""
    return MOST if not model.has_skips else max(1, min(MOST, NUMBERS // math.prod(model.shape)))


def floats(data: Data, rows: np.ndarray, count: int, other: bool = False) -> Tensor:
    """At most `count` items of those rows, evenly chosen; the `other` ones lie between them, where there are more."""
    step = max(1, -(-len(rows) // count))
    return skipping_corrupt(data.subset(rows[step // 2 if other else 0 :: step])).floats()


def verdict(figures: Mapping[str, Any], steps: int, kept: int | None) -> str:
    """One sentence for a person: the errors side by side, and what to try where a baseline is not beaten.

    PSNR is of the mean squared error over all items, which a training lowers. kept: the epoch whose weights were kept.
    """

    def shown(of: Mapping[str, Any]) -> str:
        error = of["mse_per_pixel"]
        return f"{-10 * math.log10(max(error, 1e-10)):.2f} dB" if "psnr" in of else f"{error:.5f}"

    kind = "PSNR" if "psnr" in figures else "squared error of a number"
    text = f"{kind} {shown(figures)} on the {figures['part']} part; the mean of all items {shown(figures['mean'])}"
    if "pca" in figures:
        text += f", PCA with {figures['numbers']} numbers {shown(figures['pca'])}"
    if "unchanged" in figures:
        text += f", the corrupted input as it is {shown(figures['unchanged'])}"
    error = figures["mse_per_pixel"]
    if error > FAIR * figures["mean"]["mse_per_pixel"]:
        text += ". No better than the mean: train longer (--epochs), or check that the pictures show something alike"
    elif "pca" in figures and error > 1.01 * figures["pca"]["mse_per_pixel"]:
        text += ". Below PCA: train longer (--epochs), or try a larger --code"
    elif "unchanged" in figures and error > FAIR * figures["unchanged"]["mse_per_pixel"]:
        text += ". No better than the corrupted input: train longer (--budget or --epochs)"
    if steps < FEW:
        text += f". {steps} steps are too few to judge a model by: give it a longer --budget or more --epochs"
    elif kept == 0:
        text += ". No epoch was better than the start, which is PCA of varied views: more pictures would help"
    return text
