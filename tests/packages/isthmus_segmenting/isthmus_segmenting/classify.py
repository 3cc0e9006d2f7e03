"""classify: the class of each pixel, and the share of correct ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data import open_data, with_target
from isthmus.errors import BadInput
from isthmus.files import atomic
from isthmus.inference.inputs import chunks, name_of, open_for
from isthmus.jobs import model_for


def classify(run: Any, source: Any, *, out: Path | str | None = None) -> np.ndarray:
    """N×H×W uint8, the labels of `source`; also written to the .npy file `out`, if one is named."""
    model = model_for("classify", run)
    data, last = open_for(model, source), model.objective.classes - 1
    shares = np.concatenate([model.reconstruct(x, unit=True)[:, 0].numpy() for _, x in chunks(data)])
    labels = np.rint(last * shares).astype(np.uint8)
    if out is not None:
        with atomic(Path(out)) as path, path.open("wb") as file:
            np.save(file, labels)
    return labels


def accuracy(model: Any, source: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The share of pixels with a class whose label is correct. Raises BadInput without a ground truth."""
    if options["truth"] is None:
        raise BadInput("the accuracy needs label maps: --truth PATH names them")
    data = open_for(model, source, split=options["split"], first=options["first"])
    like = {**model.read_as(), "shape": [1, *model.shape[1:]]}
    both = with_target(data, open_data(options["truth"], kind="labels", like=like))
    truth = both.sample(np.arange(len(both))).target[:, 0].numpy()
    correct = classify(model, data) == truth
    return {
        "data": name_of(data),
        "items": len(data),
        "accuracy": float(correct[truth != model.objective.ignore].mean()),
    }
