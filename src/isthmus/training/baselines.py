"""The error of a trained model, compared with the mean item and with PCA of as many numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
NUMBERS = 2**24  # the most values of all items, for a model that is not compared with PCA
CHUNK = 16  # items in one pass
FEW = 100  # steps, below which a model has hardly begun to learn
RATIOS = {  # to the error of a baseline, above which a model is not better than it
    "mean": (0.99, "No better than the mean"),
    "pca": (1.01, "Worse than PCA"),
    "unchanged": (0.99, "No better than the corrupted input"),
}
LATE = 0.9  # share of the epochs after which the lowest loss shows that a training still improved


@torch.no_grad()
def compare_with_baselines(
    model: Any, data: Data, parts: Mapping[str, np.ndarray], steps: int, history: Sequence[Mapping[str, Any]], kept: int
) -> dict[str, Any]:
    """{"part", "items", "psnr", "mse_per_pixel", those of "mean", "pca" and "unchanged", "numbers", "verdict"}; or {}.

    Measured on the validation split, else the training split. All get the same x̃, and PCA is fitted on clean items of
    the training split. A model with a discrete code, with as many numbers as an item, or with skips past its code is
    compared with the mean only; one with skips also with x̃ itself, if that is an image of the same size. {} for a
    module that is no Autoencoder, for a model of features, and for a target that is no item of the data. kept:
    the epoch of the kept weights.
    """
    if not isinstance(model, Autoencoder) or model.features is not None or data.further or model.scale > 1:
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
    mean_only = model.spec.discrete or model.has_skips or numbers >= held[0].numel()
    principal = Principal(fitted, 0 if mean_only else numbers)
    outputs = {"model": outputs_of(model, sample, held), "mean": principal.mean.expand(len(held), -1)}
    seen = sample.x[:, : held.shape[1]]
    if principal.known:
        outputs["pca"] = principal.rebuilt(seen)
    if model.has_skips and seen.shape == held.shape:
        outputs["unchanged"] = seen
    figures: dict[str, Any] = {"part": part, "items": len(held)}
    for name, picture in outputs.items():
        picture = picture.view_as(held).clamp(0, 1) if held.dim() == 4 else picture.view_as(held)
        errors = {"mse_per_pixel": float((picture - held).square().mean())}
        if held.dim() == 4:
            errors["psnr"] = float(psnr(picture, held).mean())
        figures |= errors if name == "model" else {name: errors}
    if "pca" in figures:
        figures["numbers"] = principal.known
    detects = bool(model.about.get("whole"))  # a detector warns of too few steps itself
    return figures | {"verdict": verdict(figures, FEW if detects else steps, kept, improving(history))}


def outputs_of(model: Autoencoder, sample: Sample, held: Tensor) -> Tensor:
    """The outputs of the model for x̃, with the channels of the clean items, CHUNK at a time."""
    outputs = []
    for rows in torch.arange(len(held)).split(CHUNK):
        part = sample.each(lambda tensor, rows=rows: tensor[rows].to(model.device))  # type: ignore[misc]
        y, _ = model.predict(part, Context())
        outputs.append(model.objective.picture(y)[:, : held.shape[1]].cpu())
    return torch.cat(outputs)


def most(model: Autoencoder) -> int:
    """The most items to measure: fewer for a net with skips, whose items are usually large."""
    return MOST if not model.has_skips else max(1, min(MOST, NUMBERS // math.prod(model.shape)))


def floats(data: Data, rows: np.ndarray, count: int, other: bool = False) -> Tensor:
    """At most `count` items of `rows`, evenly spaced. other: the items between these, if there are more."""
    step = max(1, -(-len(rows) // count))
    return skipping_corrupt(data.subset(rows[step // 2 if other else 0 :: step])).floats()


def improving(history: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the lowest loss of a training is at its end, so that a longer one would lower it further."""
    losses = [row.get("validation_loss", row["loss"]) for row in history]
    return losses.index(min(losses)) + 1 > LATE * len(losses)


def verdict(figures: Mapping[str, Any], steps: int, kept: int, improving: bool) -> str:
    """One sentence: the errors side by side, and advice if a baseline is better or the training was too short.

    PSNR is of the mean squared error over all items, which a training lowers. kept: the epoch whose weights were kept,
    0 for the initial ones. A training that no longer improves gets no advice to train longer.
    """

    def shown(of: Mapping[str, Any]) -> str:
        error = of["mse_per_pixel"]
        return f"{-10 * math.log10(max(error, 1e-10)):.2f} dB" if "psnr" in of else f"{math.sqrt(error):.4g}"

    kind = "PSNR of the mean error" if "psnr" in figures else "RMSE"
    text = f"{kind} {shown(figures)} on the {figures['part']} split; the mean of all items {shown(figures['mean'])}"
    if "pca" in figures:
        text += f", PCA with {figures['numbers']} numbers {shown(figures['pca'])}"
    if "unchanged" in figures:
        text += f", the corrupted input itself {shown(figures['unchanged'])}"
    error, improving = figures["mse_per_pixel"], improving and kept > 0
    errors = {name: figures[name]["mse_per_pixel"] for name in RATIOS if name in figures}
    problems = [RATIOS[name][1] for name, other in errors.items() if error > RATIOS[name][0] * other][:1]
    if kept == 0:
        problems.append("No epoch improved on the initial weights, which are PCA")
    if improving and steps < FEW:
        problems.append(f"{steps} steps are too few to judge a model by")
    if problems:
        longer, more = "train longer (--budget or --epochs)", "add training data"
        advice = longer if improving else more + (", or try another --code" if "pca" in figures else "")
        return f"{text}. {'. '.join(problems)}: {advice}"
    return text
