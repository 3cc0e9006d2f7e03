"""The codes of the training items of a model, which a prior is fitted to."""

from __future__ import annotations

import hashlib
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data, with_labels
from isthmus.data.base import Numbered
from isthmus.data.item_labels import item_labels
from isthmus.errors import BadInput, Note
from isthmus.inference.inputs import chunks, is_training_data, open_for, parts_of
from isthmus.inference.likelihood import binarized
from isthmus.types import Context, Noise

ENOUGH, VIEWS = 10_000, 10  # codes below which each item of a variational model is drawn several times; most of these
MOST = 2**28  # numbers in all codes, 1 GB
PER_CLASS, CLASSES = 10, 1000  # fewest items of a class, on average, and most classes that a prior learns


@dataclass(frozen=True)
class TrainingCodes:
    """values: N×code_shape, or N×grid integers of a discrete code. items [N]: the number of the item of each code.
    labels [N]: indices into `names`, or None."""

    values: Tensor
    items: np.ndarray
    labels: Tensor | None
    names: tuple[str, ...]

    @property
    def source(self) -> dict[str, Any]:
        """The origin of the codes in a training; the fingerprint differs between the codes of different models."""
        content = hashlib.sha256(self.values.numpy().tobytes()).hexdigest()
        return {"kind": "codes", "fingerprint": content, "labels": list(self.names)}

    def data(self) -> Data:
        """The codes as the items of a training, with their labels as the condition "label"."""
        discrete = not self.values.is_floating_point()
        shape, names = tuple(self.values.shape[1:]), Numbered(range(len(self.values)))
        kind = "labels" if discrete else "features"
        data = Data(self.values, shape, (0.0, 1.0), names, kind=kind, pictures=self.items, source=self.source)
        if self.labels is None:
            return data
        return data.with_field("label", Data(self.labels[:, None], (1,), (0.0, 1.0), names, kind="labels"))


def training_codes(model: Autoencoder, data: Any = None, seed: int = 0) -> TrainingCodes:
    """Encode the training split of `data`, by default the data that the model was trained on.

    The codes of a variational model are drawn from its posterior, because its decoder has seen no others. Raises
    BadInput where the training data cannot be opened any more.
    """
    opened = training_part(model, data, labels=True)
    most = max(1, MOST // max(1, math.prod(model.code_shape)))
    if len(opened) > most:
        warnings.warn(
            f"the prior is fitted to {most} of {len(opened)} items: their codes fill a gigabyte", Note, stacklevel=3
        )
        opened = opened.subset(np.linspace(0, len(opened) - 1, most).astype(int))
    drawn = model.spec.prior == "normal"
    views = min(VIEWS, math.ceil(ENOUGH / len(opened)), most // len(opened)) if drawn else 1
    parts = [
        encode_part(model, x, seed, (view, part.start) if drawn else None)
        for view in range(views)
        for part, x in chunks(opened)
    ]
    values = torch.cat(parts)
    if values.is_floating_point() and not torch.isfinite(values).all():
        raise BadInput(f"{model.path or 'this model'}: encodes its training data as NaN or infinite values")
    labels, names = indexed_labels(item_labels(opened))
    return TrainingCodes(
        values, np.tile(np.arange(len(opened)), views), None if labels is None else labels.repeat(views), names
    )


@torch.no_grad()
def encode_part(model: Autoencoder, x: Tensor, seed: int, draw: tuple[int, int] | None) -> Tensor:
    """Codes or symbols of a chunk. draw: numbers of the view and of the first item, for codes that are drawn."""
    noise = None if draw is None else Noise(seed, draw[0] << 40 | draw[1], len(x), device=model.device)
    x = x.to(model.device)
    if noise is not None and model.spec.binarizes:
        x = binarized(x, noise)[0]
    code = model.encoded(x, Context(noise, draws=None if noise is None else 1))
    return (code.z if code.symbols is None else code.symbols).cpu()


def indexed_labels(labels: np.ndarray | None) -> tuple[Tensor | None, tuple[str, ...]]:
    """Labels [N] as indices and the name of each index; None where they are too few or too many to learn from."""
    if labels is None:
        return None, ()
    names, indices = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return None, ()
    if len(names) > CLASSES or len(labels) < PER_CLASS * len(names):
        text = f"{len(names)} labels of {len(labels)} items are not learned: {PER_CLASS} items of a label are needed"
        warnings.warn(f"{text}, and at most {CLASSES} labels", Note, stacklevel=4)
        return None, ()
    return torch.from_numpy(indices.reshape(-1)), tuple(str(name) for name in names)


def training_source(model: Autoencoder) -> str:
    """The path or name of the data that the model was trained on. Raises BadInput if the run does not know it."""
    origin = model.about.get("data", {})
    source = origin.get("path") or origin.get("name")
    if not source or origin.get("kind") in ("array", "dataset"):
        raise BadInput(
            f"{model.path or 'this model'}: was not trained on a folder or a file that its run names, and a prior is "
            "fitted to the codes of training data: isthmus.fit_prior(run, data=...) takes them"
        )
    return str(source)


def training_part(model: Autoencoder, data: Any = None, labels: bool = False) -> Data:
    """The training split of `data`, by default of the data that the model was trained on.

    labels: with those of the table that the model was trained with, if any. Raises BadInput.
    """
    opened = open_for(model, training_source(model) if data is None else data)
    table = model.about.get("data", {}).get("labels", {}).get("table")
    if labels and table and opened.labels is None and is_training_data(opened, model):
        opened = with_labels(opened, table)
    return opened.subset(parts_of(opened, model).get("train", np.arange(len(opened))))


def has_training_data(model: Autoencoder) -> bool:
    """Whether the data that the model was trained on can be opened."""
    try:
        source = training_source(model)
    except BadInput:
        return False
    return model.about["data"].get("kind") == "builtin" or Path(source).exists()
