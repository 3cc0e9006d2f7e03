"""What a model makes of an item, as far as a detector asks: what comes back, the code, and what it says itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.detection.settings import Settings
from isthmus.types import Context, Sample

WAYS = 2  # of 2×2 cells one is hidden at a time, so a hidden cell has what is known on each side


@dataclass
class ModelOutputs:
    """rebuilt: S×N×shape, once or several times. code: N×K. nats: [N], −ELBO. marks: N×H×W, how surely a place is bad.
    features: N×K×h×w, what a net that finds makes of each place before it says so.

    None where the model has no such thing, or it was not asked for.
    """

    rebuilt: Tensor
    code: Tensor | None = None
    nats: Tensor | None = None
    marks: Tensor | None = None
    features: Tensor | None = None


def passes(model: Any, settings: Settings) -> int:
    """How many times the net sees each item: memory is bounded by that many."""
    return WAYS**2 * len(settings.cells) if model.spec.mask_channels else 1


def model_outputs(model: Any, x: Tensor, settings: Settings) -> ModelOutputs:
    """x: N×shape in [0, 1], on the model's device."""
    if model.spec.mask_channels:
        return ModelOutputs(filled_in(model, x, settings.cells))
    sample = Sample.of(model.prepare_input(x))
    if "features" in settings.parts:
        z, skips = model.encoder(sample.x)
        grids = model.decoder.grids(z, skips)
        mean = model.objective.mean(model.decoder.picture(grids[-1], skips))
        return ModelOutputs(mean[None, :, : x.shape[1]], marks=mean[:, x.shape[1]], features=of_places(grids))
    y, code = model.predict(sample, Context())
    mean, own = model.objective.mean(y), x.shape[1]
    if model.predicts_mask:
        return ModelOutputs(mean[None, :, :own], marks=mean[:, own])
    nats = model.objective.loss(y, sample.target) + code.penalty if "elbo" in settings.parts else None
    return ModelOutputs(mean[None], code.z.flatten(1).float(), nats)


def of_places(grids: Sequence[Tensor]) -> Tensor:
    """The grid whose places are twice as wide as the finest's, each seen together with its neighbors."""
    return F.avg_pool2d(grids[-2], 3, 1, 1, count_include_pad=False)


def filled_in(model: Any, x: Tensor, cells: Sequence[int]) -> Tensor:
    """Each part of a picture hidden in turn (Zavrtanik et al. 2021): S×N×C×H×W of what is filled in, once for squares
    of each side in `cells`, in pixels.

    A net with skips is right here: it copies what it sees, but what is scored it has not seen. Squares as large as what
    is wrong hide all of it; smaller ones show finer what is.
    """
    masks = []
    for side in cells:
        down, right = (torch.arange(length, device=x.device) // side % WAYS for length in x.shape[2:])
        which = down[:, None] * WAYS + right[None]
        masks += [(which == way).to(x.dtype) for way in range(WAYS**2)]
    mask = torch.stack(masks)[:, None, None].expand(-1, len(x), -1, -1, -1)  # one pass for all, S·4×N×1×H×W
    whole = x.expand(len(masks), *x.shape)
    y = model.restore(whole.flatten(0, 1), mask=mask.flatten(0, 1))[:, : x.shape[1]]
    return (y.unflatten(0, (len(cells), WAYS**2, -1)) * mask.unflatten(0, (len(cells), -1))).sum(1)
