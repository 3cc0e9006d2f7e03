"""The origin of generated items: the text in a PNG, and samples.csv of a folder."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isthmus import store
from isthmus.autoencoder import Autoencoder
from isthmus.files import atomic
from isthmus.jobs.generation.codes import has_training_data, training_part
from isthmus.jobs.generation.nearest import nearest_rows, reduced
from isthmus.priors import Draws, Prior

TABLE = "samples.csv"


@dataclass
class Origins:
    """The origins of items that are written.

    seed, first, label, temperature: of `generate`. drawn: whether the prior draws labels itself if none is given.
    options: further ones, of which those that are given are part of the origin.
    """

    model: Autoencoder
    prior: Prior
    seed: int
    first: int
    label: str | None
    temperature: float
    drawn: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    seen: list[Tensor] = field(default_factory=list)

    def text(self, position: int | None) -> str:
        """The origin of an item as JSON; with None, that of a grid, whose index is that of its first item."""
        return json.dumps(self.origin(position))

    def origin(self, position: int | None) -> dict[str, Any]:
        """run (the first digits of the SHA-256 of its weights), prior, seed, index, temperature, label, and options."""
        index = self.first + (position or 0)
        return {
            "run": self.run,
            "prior": self.prior.name,
            "seed": self.seed,
            "index": index,
            "temperature": self.temperature,
            "label": self.label if position is None else self.label_of(index),
            **{name: value for name, value in self.options.items() if value is not None},
        }

    def label_of(self, index: int) -> str | None:
        """The label that was asked for, or else the one that the prior has drawn."""
        names = self.prior.about.get("labels", [])
        if self.label is not None or not self.drawn or not names:
            return self.label
        labels = self.prior.drawn_labels(Draws(self.seed, [index]))
        return None if labels is None else str(names[int(labels)])

    @cached_property
    def run(self) -> str | None:
        path = self.model.path
        if path is None or not (path / store.WEIGHTS).is_file():
            return None
        with (path / store.WEIGHTS).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]

    def watched(self, items: Iterator[Tensor]) -> Iterator[Tensor]:
        """The same batches, remembered at a small size for the table."""
        for batch in items:
            self.seen.append(reduced(batch))
            yield batch

    def write_table(self, folder: Path) -> None:
        """Write the table of the items of a folder: file, origin, and, if the training data can be opened, the nearest
        training item and the root mean square of the difference."""
        items = torch.cat(self.seen)
        rows = [{"file": f"{number:05d}.png", **self.origin(number)} for number in range(len(items))]
        if has_training_data(self.model):
            training = training_part(self.model)
            for row, nearest, distance in zip(rows, *nearest_rows(items, training), strict=True):
                row |= {"nearest": training.names[nearest], "distance": f"{distance:.4f}"}
        with atomic(folder / TABLE) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
