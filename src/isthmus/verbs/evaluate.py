"""evaluate: the metrics of a model on data, deterministic for a run and data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus import metrics, store
from isthmus.autoencoder import Autoencoder
from isthmus.corruptions import Corruption
from isthmus.data import Data
from isthmus.errors import BadInput
from isthmus.fields import by_column, ends_of
from isthmus.inference.inputs import RunOrModel, as_model, chunks, name_of, open_for, parts_of, skipped_files
from isthmus.inference.likelihood import binarized, likelihood_figures
from isthmus.inference.mask_regions import COVERED
from isthmus.jobs import job_of
from isthmus.models import is_shipped
from isthmus.types import Context, Noise, Sample
from isthmus.verbs.column_errors import column_figures
from isthmus.verbs.evaluation_target import damage_for, truth_for

STEEP = 256  # items whose exact Jacobian is computed, with one backward pass per unit
STEEPEST = 1024  # most units for which it is computed


def evaluate(
    run: RunOrModel,
    source: Any = None,
    *,
    split: str | None = None,
    first: int | None = None,
    truth: Any = None,
    masks: Any = None,
    sigma: float | str | None = None,
    corruption: str | None = None,
    labels: Path | str | None = None,
    device: str | None = None,
) -> dict[str, Any]:
    """The metrics of a run on `source`, by default its training data; means over items.

    Squared errors and cross-entropy use the mean of the likelihood; psnr and ssim use the image, clipped to [0, 1]. The
    split is `split`, else the official or recorded test split, else all items. Items are first degraded by the run's
    corruption with seed 0; psnr_before and ssim_before are those of the degraded items.

    truth: ground truth of `source`, which then is real degraded data, without synthetic corruption. masks: that of a
    job with labels, such as segment. sigma, corruption:
    white noise (of 255) or a corruption as in --set corruption, instead of that of the run. labels: for a detector, a
    .csv of file and label for a folder of images. device: auto, cpu, cuda or mps; None: that of the model. Raises
    BadInput, also for a run trained on degraded images without one of truth, sigma and corruption.
    """
    model = as_model(run, device)
    job = job_of(model)
    truth = job.ground_truth(truth, masks)
    if job.target and (sigma is not None or corruption is not None):
        raise BadInput(f"sigma and corruption: are for restoration; this is a run of {model.about.get('recipe')}")
    damage = None if job.target else damage_for(model, truth, sigma, corruption)  # a target of another kind is no image
    if source is None:
        origin = model.about.get("data", {})
        source = origin.get("path") or origin.get("name")
    degraded = any(one is not None for one in (truth, sigma, corruption))
    how = {"split": split, "first": first, "labels": labels, "truth": truth, "degraded": degraded}
    if (of_the_job := job.evaluate(model, source, how)) is not None:
        figures = of_the_job | training_figures(model)
        if model.path is not None and first is None:
            remember(model, f"{figures['data']}:{figures.get('split', 'judged')}", figures)
        return figures
    if labels is not None:
        raise BadInput(f"labels={labels}: need a folder of images and a run of detect")
    data = open_for(model, source)
    parts = parts_of(data, model)
    part = split or ("test" if len(parts.get("test", ())) else "all")
    count, data = len(data), open_for(model, data, split=part, first=first)
    clean = None if truth is None else truth_for(model, data, truth, count)
    target = {"truth": None if clean is None else name_of(clean), "sigma": sigma, "corruption": corruption}
    target = {name: value for name, value in target.items() if value is not None}
    figures = {
        "data": name_of(data),
        "split": part,
        **target,
        "items": len(data),
        **model_figures(model, data, damage, clean),
        **job.measure(model, data),
        **training_figures(model),
        **skipped_files(data.skipped),
    }
    if model.path is not None and first is None:
        remember(model, ":".join([figures["data"], part, *(f"{k}={v}" for k, v in target.items())]), figures)
    return figures


def model_figures(model: Autoencoder, data: Data, damage: Corruption | None, truth: Data | None) -> dict[str, Any]:
    means = item_means(model, data, damage, truth)
    if by_column(data.range):  # columns of several units have no common peak
        means = {name: value for name, value in means.items() if not name.startswith("psnr")}
    return {
        **size_figures(model, data),
        **means,
        **column_figures(model, data),
        **code_figures(model, data),
        **(likelihood_figures(model, data) if damage is None and truth is None else {}),
    }


def size_figures(model: Autoencoder, data: Data) -> dict[str, float]:
    """code_size, input_size and compression_factor: by numbers, or by bits for a discrete code."""
    inputs, shape = math.prod(model.shape), model.code_shape
    if model.spec.discrete:
        indices = indices_of(model)
        bits = 8 * data.dtype.itemsize * inputs / (indices * math.log2(codes_of(model)))
        return {"code_size": indices, "input_size": inputs, "compression_factor": bits}
    return {
        "code_size": math.prod(shape),
        "input_size": inputs,
        "compression_factor": inputs / math.prod(shape),
    }


def indices_of(model: Autoencoder) -> int:
    """The number of symbols per item, for a code of any axes: counted for a black item."""
    symbols = model.symbols(torch.zeros(1, *model.shape), unit=True)
    assert symbols is not None
    return symbols[0].numel()


def codes_of(model: Autoencoder) -> int:
    """The number of values of a symbol of a discrete code."""
    assert model.spec.codes is not None
    return model.spec.codes


@torch.no_grad()
def item_means(
    model: Autoencoder, data: Data, damage: Corruption | None, truth: Data | None = None
) -> dict[str, float]:
    """Means of the metrics of items: errors, similarity, and the ELBO if there is a likelihood."""
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    low, high = ends_of(data.range)
    level = 1 / (high - low) if not data.dtype.is_floating_point else 1.0
    for rows, x in chunks(data):
        x, noise = x.to(model.device), Noise(0, rows.start, len(x), device=model.device)
        if truth is not None:
            sample = Sample(model.prepare_input(x), truth.floats(np.arange(rows.start, rows.stop)).to(model.device))
        else:
            x = binarized(x, noise)[0] if model.spec.binarizes else x
            sample = Sample.of(x) if damage is None else damage(Sample.of(x), Context(noise))
        for name, values in per_item(model, sample, noise, level):
            values = values[~values.isnan()] if name.startswith("psnr_in_mask") else values  # NaN for an empty mask
            sums[name] = sums.get(name, 0.0) + float(values.double().sum())
            counts[name] = counts.get(name, 0) + len(values)
    return {name: total / counts[name] if counts[name] else math.nan for name, total in sums.items()}


def per_item(model: Autoencoder, sample: Sample, noise: Noise, level: float) -> Iterator[tuple[str, Tensor]]:
    """(name, [N]) of every metric of single items.

    level: the distance of two adjacent stored values. The probability of a value is its density times this, so the ELBO
    of a Gaussian is in nats of the stored numbers, as that of a categorical likelihood.
    """
    # Only the channels of the model's shape: without a mask that is an input, or one that is predicted.
    y, _ = model.predict(sample, Context())
    everything = (sample.x, sample.target, model.objective.mean(y), model.objective.picture(y))
    seen, truth, mean, picture = (part[:, : model.shape[0]] for part in everything)
    mask = sample.condition.get("mask") if truth.dim() == 4 else None
    if mask is not None and model.spec.mask_channels > 0:  # known pixels are copied to the result
        mean, picture = (torch.where(mask > 0, part, truth) for part in (mean, picture))
    if model.predicts_mask:  # uncovered pixels are copied to the result
        picture = torch.where(everything[3][:, -1:] > COVERED, picture, seen)
    values = math.prod(model.shape)
    squared = metrics.squared_error(mean, truth)
    if model.spec.cross_entropy:
        yield "bce_per_pixel", model.objective.loss(y, truth) / values
    yield "mse_per_pixel", squared / values
    yield "sse_per_image", squared
    yield "psnr", metrics.psnr(picture, truth)
    if truth.dim() == 4:
        yield "ssim", metrics.ssim(picture, truth)
    if sample.x is not sample.target and seen.shape == truth.shape:
        yield "psnr_before", metrics.psnr(seen, truth)
        if truth.dim() == 4:
            yield "ssim_before", metrics.ssim(seen, truth)
    if mask is not None:
        yield "psnr_in_mask", metrics.psnr(picture, truth, mask)
        yield "psnr_in_mask_before", metrics.psnr(seen, truth, mask)
    if model.spec.prior == "normal":
        y, code = model.predict(sample, Context(noise, draws=1))
        kl = code.stats["kl_nats"]
        yield "kl_nats", kl
        if model.spec.likelihood:
            unit = values * math.log(level) if model.objective.density else 0.0
            yield "elbo_nats", unit - model.objective.loss(y, truth) - kl


def code_figures(model: Autoencoder, data: Data) -> dict[str, float]:
    """Metrics of the code: active units, active fraction, codebook usage, Jacobian norm."""
    if model.spec.discrete:
        count = torch.zeros(codes_of(model), dtype=torch.long)
        for _, x in chunks(data):
            symbols = model.symbols(x, unit=True)
            assert symbols is not None
            count += torch.bincount(symbols.flatten(), minlength=len(count))
        usage, perplexity = metrics.perplexity(count)
        return {"codebook_usage": usage, "codebook_perplexity": perplexity}
    figures: dict[str, float] = {}
    threshold = model.spec.active_above
    if model.spec.prior == "normal":
        figures["active_units"] = metrics.active_units(torch.cat([model.encode(x, unit=True) for _, x in chunks(data)]))
    elif threshold is not None:
        active = torch.zeros(model.code_shape)
        for _, x in chunks(data):
            active += (model.encode(x, unit=True) > threshold).sum(0)
        share = active / len(data)
        figures |= {"mean_active_fraction": float(share.mean()), "dead_units": int((share == 0).sum())}
    if math.prod(model.code_shape) <= STEEPEST and not model.has_skips:  # which go past the code
        some = data.floats(np.arange(min(STEEP, len(data)))).to(model.device)
        norm = metrics.jacobian_norm(lambda x: model.predict(Sample.of(x), Context())[1].z, some)
        figures["jacobian_norm"] = float(norm.mean())
    return figures


def training_figures(model: Autoencoder) -> dict[str, float]:
    if model.path is None or not (model.path / store.METRICS).is_file():
        return {}
    training = store.read_json(model.path / store.METRICS).get("training", {})
    return {name: training[name] for name in ("seconds_per_epoch", "images_per_second") if name in training}


def remember(model: Autoencoder, key: str, figures: dict[str, Any]) -> None:
    """Store the metrics in the run, for compare; a shipped or read-only run is not changed."""
    assert model.path is not None
    if is_shipped(model.path):
        return
    path = model.path / store.METRICS
    known = store.read_json(path) if path.is_file() else {}
    known.setdefault("evaluations", {})[key] = figures
    try:
        store.write_json(path, known)
    except BadInput:
        return
