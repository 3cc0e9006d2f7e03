"""After every training: the error beside that of the mean picture, and of PCA with as many numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.contracts import Context, Noise, Sample
from isthmus.data import Data, forgiving
from isthmus.metrics import psnr
from isthmus.networks import Principal

MOST = 2000  # items that PCA is fitted on, and as many that are measured
FEW = 100  # steps up to which a model has hardly begun to learn
FAIR = 0.99  # a share of a baseline's error from which on a model counts as no better


@torch.no_grad()
def beside_baselines(
    model: Any, data: Data, parts: Mapping[str, np.ndarray], steps: int, kept: int | None
) -> dict[str, Any]:
    """{"part", "items", "psnr", "mse_per_pixel", those of "mean" and "pca", "numbers", "verdict"}; or {}.

    A detector has none: it is not judged by how well it rebuilds. Measured on the validation part, or, where there is
    none, on the training part. All see the same x̃, and PCA is fitted on clean items of the training part. A discrete
    code, and one of as many numbers as an item has, stands beside the mean alone.
    """
    if (
        not isinstance(model, Autoencoder)
        or model.about.get("whole")
        or data.paired
        or model.has_skips
        or model.scale > 1
        or model.finds
    ):
        return {}
    part = "validation" if len(parts["validation"]) else "train"
    fitted, held = floats(data, parts["train"]), floats(data, parts[part], other=part == "train")
    if not len(fitted) or not len(held):
        return {}
    seen = held
    if model.corruption is not None:
        sample = model.corruption(Sample.of(held), Context(Noise(0, 0, len(held))))
        if sample.x.shape != held.shape or sample.target is not held:
            return {}
        seen = sample.x
    numbers = min(math.prod(model.code_shape), len(fitted) - 1)
    numbers = min(numbers, getattr(model.bottleneck, "k", numbers))
    discrete = bool(getattr(model.bottleneck, "discrete", False))
    principal = Principal(fitted, 0 if discrete or numbers >= held[0].numel() else numbers)
    made = {"model": model.reconstruct(seen, unit=True), "mean": principal.mean.expand(len(held), -1)}
    if principal.known:
        made["pca"] = principal.rebuilt(seen)
    figures: dict[str, Any] = {"part": part, "items": len(held)}
    for name, picture in made.items():
        picture = picture.view_as(held).clamp(0, 1) if held.dim() == 4 else picture.view_as(held)
        found = {"mse_per_pixel": float((picture - held).square().mean())}
        if held.dim() == 4:
            found["psnr"] = float(psnr(picture, held).mean())
        figures |= found if name == "model" else {name: found}
    if "pca" in figures:
        figures["numbers"] = principal.known
    return figures | {"verdict": verdict(figures, steps, kept)}


def floats(data: Data, rows: np.ndarray, other: bool = False) -> Tensor:
    """At most MOST items of those rows, evenly chosen; the `other` ones lie between them, where there are more."""
    step = max(1, -(-len(rows) // MOST))
    return forgiving(data.subset(rows[step // 2 if other else 0 :: step])).floats()


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
    error = figures["mse_per_pixel"]
    if error > FAIR * figures["mean"]["mse_per_pixel"]:
        text += ". No better than the mean: train longer (--epochs), or check that the pictures show something alike"
    elif "pca" in figures and error > 1.01 * figures["pca"]["mse_per_pixel"]:
        text += ". Below PCA: train longer (--epochs), or try a larger --code"
    if steps < FEW:
        text += f". {steps} steps are too few to judge a model by: give it a longer --budget or more --epochs"
    elif kept == 0:
        text += ". No epoch was better than the start, which is PCA of varied views: more pictures would help"
    return text
