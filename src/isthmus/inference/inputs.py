"""Resolve the inputs of a verb: the model of a run, and the selected split of the data, prepared for the model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from isthmus import store
from isthmus.autoencoder import CHUNK, Autoencoder, load_model
from isthmus.data import Data, choose_parts, open_data, read_parts, with_groups
from isthmus.distributed import first_rank, named_device
from isthmus.errors import BadInput, Note, unknown
from isthmus.training.progress import Progress

RunOrModel = Autoencoder | str | Path


def as_model(run: RunOrModel, device: str | None = None) -> Autoencoder:
    """Load the model of a run folder, or take a model as it is; moved to `device` unless None. Raises BadInput."""
    target = None if device is None else named_device(device)  # checked before anything is read
    model = run if isinstance(run, Autoencoder) else load_model(run)
    return model if target is None else model.to(target)


def open_for(model: Autoencoder, source: Any, *, split: str | None = None, first: int | None = None) -> Data:
    """Open `source` with the preprocessing of the model: all items, one `split`, or the `first` items of either.

    Raises BadInput if the data do not fit the model or have no such split.
    """
    data = open_data(source, like=model.read_as())
    if data is not source:
        warn_notes(data)
    return select_items(data, model, split=split, first=first)


def select_items(data: Data, model: Autoencoder | None, *, split: str | None = None, first: int | None = None) -> Data:
    """All of the data, one `split`, or the `first` items of either. Raises BadInput if there is no such split."""
    if first is not None and first < 1:
        raise BadInput(f"first is {first}: 1 or more is accepted")
    if split is not None and split != "all":
        parts = parts_of(data, model)
        if split not in parts:
            raise unknown("split", split, [*parts, "all"])
        if not len(parts[split]):
            raise BadInput(f"the {split} split of this data is empty")
        data = data.subset(parts[split])
    return data.subset(np.arange(first)) if first is not None and first < len(data) else data


def parts_of(data: Data, model: Autoencoder | None) -> dict[str, np.ndarray]:
    """The splits recorded by the training if these are its data; else the official splits, if any."""
    if model is not None and is_training_data(data, model):
        about = model.about
        shares = {key: about["training"][key] for key in ("seed", "validation", "test")}
        if model.path is None or not (model.path / store.PARTS).is_file():
            groups = about["data"].get("groups")
            return choose_parts(with_groups(data, groups) if groups else data, **shares)
        return read_parts(data, store.read_json(model.path / store.PARTS))
    return dict(data.parts)


def is_training_data(data: Data, model: Autoencoder) -> bool:
    """Whether the model was trained on these data: the same path, or the same content."""
    own, other = model.about.get("data", {}), data.source
    keys = ("kind", "name", "path")
    same_path = own.get("kind") not in ("array", "dataset") and all(own.get(key) == other.get(key) for key in keys)
    return bool(own) and (same_path or own.get("fingerprint") == other.get("fingerprint"))


def chunks(data: Data, rows: slice | None = None) -> Iterator[tuple[slice, Tensor]]:
    """Yield (rows, items as float32 in [0, 1]) in chunks, with progress; the boundaries are the same for every verb."""
    rows = rows or slice(0, len(data))
    with Progress(rows.stop - rows.start, quiet=not first_rank()) as bar:
        for first in range(rows.start, rows.stop, CHUNK):
            part = slice(first, min(first + CHUNK, rows.stop))
            yield part, data.floats(np.arange(part.start, part.stop))
            bar.step(part.stop - rows.start, partial("item {}/{}".format, part.stop, rows.stop))


def name_of(data: Data) -> str:
    return str(data.source.get("name") or Path(data.source.get("path", "data")).name)


def skipped_files(skipped: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The names and reasons of files that were skipped, for the JSON record of a verb; empty without any."""
    return {"skipped": [{"file": name, "reason": reason} for name, reason in skipped]} if skipped else {}


def warn_notes(data: Data) -> None:
    """Warn of each note about the data, and of skipped files."""
    for note in data.notes:
        warnings.warn(note, Note, stacklevel=4)
    warn_skipped(data.skipped, len(data) + len(data.skipped))


def warn_skipped(skipped: Sequence[tuple[str, str]], total: int) -> None:
    if skipped:
        warnings.warn(f"{len(skipped)} broken of {total} files skipped: {first_of(skipped)}", Note, stacklevel=4)


def first_of(skipped: Sequence[tuple[str, str]]) -> str:
    """Three skipped files with their reasons, and the number of others."""
    named = ", ".join(f"{name} ({reason})" for name, reason in skipped[:3])
    return named + (f" and {len(skipped) - 3} more" if len(skipped) > 3 else "")
