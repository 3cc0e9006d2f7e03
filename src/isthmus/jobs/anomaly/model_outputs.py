"""The outputs of a model that a detector scores: reconstruction, code, −ELBO, predicted mask and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.jobs.anomaly.settings import Settings
from isthmus.types import Context, Sample

GRID = 2  # one of 2×2 cells is hidden at a time, so that a hidden cell has known neighbors on all four sides


@dataclass
class ModelOutputs:
    """reconstructions: S×N×shape, S passes. code: N×K. nats: [N], −ELBO. marks: N×H×W, the predicted probability of a
    defect at each pixel. features: N×K×h×w, decoder features of a network that predicts a mask, or what a model of
    features sees; distance: N×h×w, between these and their reconstruction; residuals: their difference.

    None where the model has no such output, or the settings do not need it.
    """

    reconstructions: Tensor | None = None
    code: Tensor | None = None
    nats: Tensor | None = None
    marks: Tensor | None = None
    features: Tensor | None = None
    distance: Tensor | None = None
    residuals: Tensor | None = None

    def patches(self, score: str) -> Tensor:
        """N×K×h×w, what a distance of patches compares with normal images."""
        patches = self.residuals if score == "gaussian" else self.features
        assert patches is not None
        return patches


def passes(model: Any, settings: Settings) -> int:
    """Forward passes of the network for each item, which bounds the batch that fits into memory."""
    return GRID**2 * len(settings.cells) if model.spec.mask_channels else 1


def model_outputs(model: Any, x: Tensor, settings: Settings) -> ModelOutputs:
    """Run the model on x: N×shape in [0, 1], on the model's device."""
    if model.features is not None:
        return outputs_of_features(model, x, settings)
    if model.spec.mask_channels:
        return ModelOutputs(filled_in(model, x, settings.cells))
    sample = Sample.of(model.prepare_input(x))
    if "features" in settings.parts:
        z, skips = model.encoder(sample.x)
        grids = model.decoder.grids(z, skips)
        mean = model.objective.mean(model.decoder.picture(grids[-1], skips))
        return ModelOutputs(mean[None, :, : x.shape[1]], marks=mean[:, x.shape[1]], features=smoothed_features(grids))
    y, code = model.predict(sample, Context())
    mean, own = model.objective.mean(y), x.shape[1]
    if model.predicts_mask:
        return ModelOutputs(mean[None, :, :own], marks=mean[:, own])
    nats = model.objective.loss(y, sample.target) + code.penalty if "elbo" in settings.parts else None
    return ModelOutputs(mean[None], code.z.flatten(1).float(), nats)


def outputs_of_features(model: Any, x: Tensor, settings: Settings) -> ModelOutputs:
    """Those of a model of features. A Gaussian is fitted to what the autoencoder has not explained: without one, to the
    features themselves (PaDiM, Defard et al. 2021)."""
    features = model.prepare_input(x)
    if not model.learns:
        near = neighborhood(features)
        return ModelOutputs(features=near, residuals=near)
    y, _ = model.predict(Sample.of(features), Context())
    return ModelOutputs(
        features=neighborhood(features) if "features" in settings.parts else None,
        distance=model.objective.distances(y, features),
        residuals=neighborhood(features - y),
    )


def neighborhood(grid: Tensor) -> Tensor:
    """Each position averaged with its 3×3 neighborhood."""
    return F.avg_pool2d(grid, 3, 1, 1, count_include_pad=False)


def smoothed_features(grids: Sequence[Tensor]) -> Tensor:
    """The second finest decoder grid, smoothed."""
    return neighborhood(grids[-2])


def filled_in(model: Any, x: Tensor, cells: Sequence[int]) -> Tensor:
    """Hide each part of an image in turn (Zavrtanik et al. 2021) and return the inpainted images, S×N×C×H×W, for the S
    sizes of hidden squares in `cells`, in pixels.

    A network with skips can be used here: it copies its input, but the scored pixels were hidden from it. Squares as
    large as a defect hide all of it; smaller squares localize it better.
    """
    masks = []
    for side in cells:
        down, right = (torch.arange(length, device=x.device) // side % GRID for length in x.shape[2:])
        which = down[:, None] * GRID + right[None]
        masks += [(which == cell).to(x.dtype) for cell in range(GRID**2)]
    mask = torch.stack(masks)[:, None, None].expand(-1, len(x), -1, -1, -1)  # one pass for all, S·4×N×1×H×W
    repeated = x.expand(len(masks), *x.shape)
    y = model.restore(repeated.flatten(0, 1), mask=mask.flatten(0, 1))[:, : x.shape[1]]
    return (y.unflatten(0, (len(cells), GRID**2, -1)) * mask.unflatten(0, (len(cells), -1))).sum(1)
