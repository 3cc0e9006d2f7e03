"""generate and interpolate: decode random codes, and codes between those of two items."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.errors import BadInput, Note
from isthmus.inference.inputs import RunOrModel, open_for
from isthmus.inference.outputs import write_decoded
from isthmus.jobs.autoencoding.image_model import model_of_items


def generate(
    run: RunOrModel,
    n: int = 64,
    *,
    out: Path | str | None = None,
    seed: int = 0,
    force: bool = False,
    device: str | None = None,
) -> Tensor | Path:
    """Decode n samples from N(0, I): n×shape in [0, 1], or the path of `out`.

    device: auto, cpu, cuda or mps; None: that of the model. Warns if the model has no latent prior. Raises BadInput
    for n below 1.
    """
    if n < 1:
        raise BadInput(f"n is {n}: 1 or more is accepted")
    model = model_of_items("generate", run, device)
    if model.spec.prior is None:
        name = model.about.get("recipe", type(model.bottleneck).__name__.lower())
        warnings.warn(
            f"{name}: this model has no latent prior: decoded random codes will not resemble the data; "
            "`isthmus train variational` makes a model with one",
            Note,
            stacklevel=2,
        )
    return write_decoded(model, [model.sample(n, seed)], numbered(n), out, force=force)


def interpolate(
    run: RunOrModel,
    a: Any,
    b: Any,
    *,
    steps: int = 10,
    out: Path | str | None = None,
    force: bool = False,
    device: str | None = None,
) -> Tensor | Path:
    """Decode `steps` codes on the straight line between those of a and b, both included.

    a, b: an image file, an array of one item, or one item of a data set, as in digits:7. Raises BadInput.
    """
    if steps < 2:
        raise BadInput(f"steps is {steps}: 2 or more is accepted")
    model = model_of_items("interpolate", run, device)
    if model.spec.discrete:
        warnings.warn("the codes are discrete: codes between two of them are not in the codebook", Note, stacklevel=2)
    codes = model.encode(torch.cat([one_item(model, a), one_item(model, b)]), unit=True)
    weights = torch.linspace(0, 1, steps).view(-1, *[1] * (codes.dim() - 1))
    items = model.decode(torch.lerp(codes[:1], codes[1:], weights))
    return write_decoded(model, [items], numbered(steps), out, force=force)


def one_item(model: Autoencoder, source: Any) -> Tensor:
    """Open a file, an array, or NAME:INDEX as 1×shape in [0, 1]."""
    index = None
    if isinstance(source, str) and (match := re.fullmatch(r"(.+):(\d+)", source)) and not Path(source).exists():
        source, index = match[1], int(match[2])
    data = open_for(model, source)
    if index is None and len(data) != 1:
        raise BadInput(f"{source}: holds {len(data)} items; choose one, as in {source}:0")
    if index is not None and index >= len(data):
        raise BadInput(f"{source}:{index}: there are {len(data)} items, from 0 to {len(data) - 1}")
    return data.floats(np.array([index or 0]))


def numbered(count: int) -> list[str]:
    return [f"{index:05d}" for index in range(count)]
