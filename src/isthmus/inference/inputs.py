"""From what a person names to what a model takes: a run or a model, and the part of the data that is meant."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from isthmus import store
from isthmus.autoencoder import CHUNK, Autoencoder, load_model
from isthmus.data import Data, choose_parts, open_data, read_parts
from isthmus.distributed import named_device
from isthmus.errors import BadInput, Note, unknown

RunOrModel = Autoencoder | str | Path


def as_model(run: RunOrModel, device: str | None = None) -> Autoencoder:
    """The model of a run folder, or the model itself, on the device (None: where it is). Raises BadInput."""
    place = None if device is None else named_device(device)  # refused before anything is read
    model = run if isinstance(run, Autoencoder) else load_model(run)
    return model if place is None else model.to(place)


def open_for(model: Autoencoder, source: Any, *, split: str | None = None, first: int | None = None) -> Data:
    """`source` made to fit the model: all of it, one `split` of it, the `first` items of either.

    Raises BadInput where it does not fit, or has no such split.
    """
    data = open_data(source, like=model.read_as())
    if data is not source:
        print_notes(data)
    return chosen(data, model, split=split, first=first)


def chosen(data: Data, model: Autoencoder | None, *, split: str | None = None, first: int | None = None) -> Data:
    """All of the data, one `split` of it, the `first` items of either. Raises BadInput where there is no such split."""
    if first is not None and first < 1:
        raise BadInput(f"first is {first}: 1 or more is accepted")
    if split is not None and split != "all":
        parts = parts_of(data, model)
        if split not in parts:
            raise unknown("split", split, [*parts, "all"])
        if not len(parts[split]):
            raise BadInput(f"the {split} part of this data is empty")
        data = data.subset(parts[split])
    return data.subset(np.arange(first)) if first is not None and first < len(data) else data


def parts_of(data: Data, model: Autoencoder | None) -> dict[str, np.ndarray]:
    """The parts that the model's training chose where this is its data; else the official ones, if any."""
    if model is not None and trained_on(data, model):
        about = model.about
        shares = {key: about["training"][key] for key in ("seed", "validation", "test")}
        if model.path is None or not (model.path / store.PARTS).is_file():
            return choose_parts(data, **shares)
        return read_parts(data, store.read_json(model.path / store.PARTS))
    return dict(data.parts)


def trained_on(data: Data, model: Autoencoder) -> bool:
    """Whether this is what the model was trained on: the same place, or the same contents."""
    own, other = model.about.get("data", {}), data.source
    keys = ("kind", "name", "path")
    same_place = own.get("kind") not in ("array", "dataset") and all(own.get(key) == other.get(key) for key in keys)
    return bool(own) and (same_place or own.get("fingerprint") == other.get("fingerprint"))


def chunks(data: Data, rows: slice | None = None) -> Iterator[tuple[slice, Tensor]]:
    """The items (of `rows`) as float32 in [0, 1], a bounded number at a time; every verb cuts at the same places."""
    rows = rows or slice(0, len(data))
    for first in range(rows.start, rows.stop, CHUNK):
        place = slice(first, min(first + CHUNK, rows.stop))
        yield place, data.floats(np.arange(place.start, place.stop))


def name_of(data: Data) -> str:
    return str(data.source.get("name") or Path(data.source.get("path", "data")).name)


def print_notes(data: Data) -> None:
    """What was noticed about the data, each as one warning."""
    for note in data.notes:
        warnings.warn(note, Note, stacklevel=4)
    if data.skipped:
        first = ", ".join(f"{name} ({why})" for name, why in data.skipped[:3])
        more = f" and {len(data.skipped) - 3} more" if len(data.skipped) > 3 else ""
        warnings.warn(
            f"{len(data.skipped)} broken of {len(data) + len(data.skipped)} files skipped: {first}{more}",
            Note,
            stacklevel=4,
        )
