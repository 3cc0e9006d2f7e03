"""−log p(x) of a variational model, estimated by importance sampling (Burda et al. 2016)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data
from isthmus.distributed import first_rank
from isthmus.fields import ends_of
from isthmus.training.progress import Progress
from isthmus.types import Context, Noise, Sample

SAMPLES = 5000  # codes of each item, as in the literature
ITEMS = 1000  # the most items of `evaluate`
FEWEST = 100  # items and samples; a decoder that is too slow for them has no estimate
NUMBERS = 2**20  # values that are decoded at once
PER_VALUE = 300  # multiply-adds that take as long as the loss of one value
MULTIPLY_ADDS = 2e12  # of one estimate: less than a minute on two cores
PASSES = 2**20  # more than an item has


def negative_log_likelihood(
    model: Autoencoder, sample: Sample, samples: int = SAMPLES, seed: int = 0, first: int = 0
) -> Tensor:
    """−log mean p(x|z)p(z)/q(z|x) over `samples` codes z of q(z|x), [N] in nats on the CPU.

    Its expectation is above −log p(x), and falls to it as samples increase. sample: x and target in the units of the
    model. The codes of an item follow from the seed and its index, which is `first` for the first item, alone.
    """
    once = max(1, min(samples, NUMBERS // math.prod(model.shape)))
    result = []
    with torch.no_grad(), Progress(len(sample.x), quiet=not first_rank()) as bar:
        for row in range(len(sample.x)):
            item = sample.each(lambda tensor, row=row: tensor[row : row + 1])  # type: ignore[misc]
            logs = []
            for number, start in enumerate(range(0, samples, once)):
                draws = min(once, samples - start)
                noise = Noise(seed, (first + row) * PASSES + number, 1, device=model.device)
                y, code = model.predict(item, Context(noise, draws=draws))
                logs.append(-model.objective.loss(y, item.repeated(draws).target) - code.penalty)
            result.append(math.log(samples) - torch.cat(logs).logsumexp(0))
            bar.step(row + 1, lambda row=row: f"likelihood, item {row + 1}/{len(sample.x)}")  # type: ignore[misc]
    return torch.stack(result).cpu()


def likelihood_figures(model: Autoencoder, data: Data) -> dict[str, Any]:
    """nll_nats, its standard error over items, and the protocol; {} for a model without a prior or a likelihood, or
    with a decoder that is too slow.

    Items are evenly spaced in the data. A Bernoulli likelihood is of black and white items: others are drawn with their
    values as probabilities (seed 0). That of a density is of the stored values, as elbo_nats.
    """
    known = model.spec.prior == "normal" and model.spec.likelihood
    if not known or model.features is not None or model.has_skips:  # skips go past the code
        return {}
    items, samples = affordable(model, len(data))
    if samples < FEWEST:
        return {}
    x = data.floats(np.arange(items) * len(data) // items).to(model.device)
    x, protocol = binarized(x, Noise(0, 0, items, device=x.device)) if model.spec.cross_entropy else (x, "")
    nats = negative_log_likelihood(model, Sample.of(x), samples).double()
    if model.objective.density and not data.dtype.is_floating_point:
        low, high = ends_of(data.range)
        nats += math.prod(model.shape) * math.log(high - low)
    family = "independent Bernoulli" if model.spec.cross_entropy else f"independent {type(model.objective).__name__}"
    return {
        "nll_nats": float(nats.mean()),
        "nll_standard_error": float(nats.std() / math.sqrt(items)) if items > 1 else 0.0,
        "protocol": f"{protocol}{items:,} items, {samples:,} importance samples of each; decoder: {family}",
    }


def binarized(x: Tensor, noise: Noise) -> tuple[Tensor, str]:
    """x drawn as 0 and 1 with its values as probabilities, and the name of this protocol; unchanged if it is binary."""
    if bool(((x == 0) | (x == 1)).all()):
        return x, "fixed binarization, "
    return (noise.uniform(*x.shape[1:]) < x).to(x.dtype), "dynamic binarization (seed 0), "


def affordable(model: Autoencoder, count: int) -> tuple[int, int]:
    """(items, samples): as many of `count` items, then of samples, as MULTIPLY_ADDS suffice for."""
    with FlopCounterMode(display=False) as counter:
        model.decode(torch.zeros(1, *model.code_shape))
    decodings = MULTIPLY_ADDS / (counter.get_total_flops() / 2 + PER_VALUE * math.prod(model.shape))
    items = min(count, ITEMS, max(FEWEST, int(decodings / SAMPLES)))
    return items, min(SAMPLES, int(decodings / items))
