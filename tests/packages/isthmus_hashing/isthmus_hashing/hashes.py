"""hashes: the bits of items as text, and how often the nearest item has the same label."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isthmus.errors import BadInput
from isthmus.files import atomic
from isthmus.inference.inputs import chunks, name_of, open_for
from isthmus.jobs import model_for


def hashes(run: Any, source: Any, *, out: Path | str | None = None) -> list[str]:
    """One text of 0 and 1 for each item of `source`; also written to the .csv file `out`, if one is named."""
    model = model_for("hashes", run)
    data = open_for(model, source)
    texts = ["".join(map(str, row)) for row in bits(model, data).tolist()]
    if out is not None:
        with atomic(Path(out)) as path, path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("name", "hash"), *zip(data.names, texts, strict=True)])
    return texts


def bits(model: Any, data: Any) -> Tensor:
    """N×K of 0 and 1. Raises BadInput for a model whose code is not made of bits."""
    parts = [model.symbols(x, unit=True) for _, x in chunks(data)]
    if any(part is None for part in parts):
        raise BadInput("this model has no discrete code: isthmus train binary makes a run that has one")
    return torch.cat(parts).flatten(1)


def label_precision(model: Any, source: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Share of the items whose nearest other item, by Hamming distance, has the same label; None without labels."""
    data = open_for(model, source, split=options["split"], first=options["first"])
    if data.labels is None or options["labels"] is not None:
        return None
    codes = bits(model, data).float()
    distance = torch.cdist(codes, codes, p=1).fill_diagonal_(torch.inf)
    labels = torch.as_tensor(data.labels)
    same = labels[distance.argmin(1)] == labels
    return {"data": name_of(data), "items": len(data), "precision_at_1": float(same.float().mean())}
