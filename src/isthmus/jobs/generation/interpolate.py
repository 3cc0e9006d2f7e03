"""interpolate: items between two, and along the direction of an attribute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.data.item_labels import item_labels
from isthmus.errors import BadInput, unknown
from isthmus.inference.inputs import RunOrModel, chunks
from isthmus.inference.outputs import write_decoded
from isthmus.jobs.generation.codes import training_part
from isthmus.jobs.generation.one_item import numbered, one_item
from isthmus.jobs.generation.walk import between, note_if_discrete
from isthmus.jobs.image_model import model_of_items


def interpolate(
    run: RunOrModel,
    a: Any,
    b: Any = None,
    *,
    steps: int = 10,
    spherical: bool = False,
    add: str | None = None,
    subtract: str | None = None,
    data: Any = None,
    out: Path | str | None = None,
    force: bool = False,
    device: str | None = None,
) -> Tensor | Path:
    """Decode `steps` codes between those of a and b, both included: on a line, or on a great circle if spherical.

    a, b: an image file, an array of one item, or one item of a data set, as in digits:7. add: instead of b, a label of
    the data: the path goes from a along the mean code of the items with this label minus that of the items with the
    label `subtract`, by default of all other items (Larsen et al. 2016). data: labeled items; by default the training
    data, whose labels may be class folders. Raises BadInput.
    """
    if steps < 2:
        raise BadInput(f"steps is {steps}: 2 or more is accepted")
    if (b is None) == (add is None):
        raise BadInput("b and add: give one of them, a second item or a label")
    if subtract is not None and add is None:
        raise BadInput("subtract: goes with add, the label whose direction is followed")
    model = model_of_items("interpolate", run, device)
    note_if_discrete(model)
    first = model.encode(one_item(model, a), unit=True)
    if add is not None:
        last = first + attribute(model, add, subtract, data)
    else:
        last = model.encode(one_item(model, b), unit=True)
    items = model.decode(between(None, first, last, torch.linspace(0, 1, steps), spherical))
    return write_decoded(model, [items], numbered(steps), out, force=force)


def attribute(model: Autoencoder, add: str, subtract: str | None, data: Any = None) -> Tensor:
    """1×code_shape: the mean code of the items of a label minus that of another one, or of all other items."""
    opened = training_part(model, data, labels=True)
    labels = item_labels(opened)
    if labels is None:
        raise BadInput(f"add {add}: the data have no labels; class folders or a labeled set are accepted")
    texts = labels.astype(str)
    for label in (add, subtract):
        if label is not None and label not in texts:
            raise unknown("label", label, sorted(set(texts)))
    sums = torch.zeros(2, *model.code_shape)
    chosen = (texts == add, texts != add if subtract is None else texts == subtract)
    for part, x in chunks(opened):
        codes = model.encode(x, unit=True)
        for number, mask in enumerate(chosen):
            sums[number] += codes[torch.from_numpy(mask[part])].sum(0)
    counts = [int(np.sum(mask)) for mask in chosen]
    if 0 in counts:
        raise BadInput(f"add {add}: every item of the data has this label; name another one to subtract")
    return (sums[0] / counts[0] - sums[1] / counts[1])[None]
