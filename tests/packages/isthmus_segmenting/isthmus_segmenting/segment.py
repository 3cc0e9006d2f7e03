"""segment: the class of each pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isthmus.files import atomic
from isthmus.inference.inputs import as_model, chunks, open_for


def segment(run: Any, source: Any, *, out: Path | str | None = None) -> np.ndarray:
    """N×H×W uint8, the labels of `source`; also written to the .npy file `out`, if one is named."""
    model = as_model(run)
    data, last = open_for(model, source), model.objective.classes - 1
    shares = np.concatenate([model.reconstruct(x, unit=True)[:, 0].numpy() for _, x in chunks(data)])
    labels = np.rint(last * shares).astype(np.uint8)
    if out is not None:
        with atomic(Path(out)) as path, path.open("wb") as file:
            np.save(file, labels)
    return labels
