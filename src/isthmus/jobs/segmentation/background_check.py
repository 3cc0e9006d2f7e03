"""A note early in a training if the network predicts background alone."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

from isthmus.data import Data
from isthmus.errors import Note
from isthmus.metrics.segmentation import IGNORE
from isthmus.types import Context

if TYPE_CHECKING:
    from isthmus.training.loop import Training

AFTER = 200  # steps
ITEMS = 32  # patches with foreground that are predicted


class BackgroundCheck:
    """Called after each step; looks once, after AFTER steps, at the predictions for patches with foreground."""

    def __init__(self, data: Data) -> None:
        self.data = data

    def __call__(self, training: Training) -> None:
        sharded = training.options["strategy"] == "fsdp"  # one process has no full copy of the trained weights
        if sharded or training.step != AFTER or not training.fabric.is_global_zero:
            return
        background: int | None = training.plain.objective.background  # type: ignore[union-attr, assignment]
        rows = np.empty(0, np.int64) if background is None else self.rows(training.parts["train"], background)
        if not len(rows):
            return
        true, predicted = shares(training.plain, self.data, rows)
        if predicted == 0:
            warnings.warn(
                f"after {training.step} steps every pixel is predicted as background, though {true:.2%} of "
                f"{len(rows)} patches are not; to try: --set class_weights=frequency, --set loss=focal+dice, a smaller "
                "--lr",
                Note,
                stacklevel=2,
            )

    def rows(self, train: np.ndarray, background: int) -> np.ndarray:
        """Patches of the training split with foreground."""
        chosen = []
        for row in train:
            labels = self.data.further["target"].batch([row])[0, 0]
            if bool(((labels != background) & (labels != IGNORE)).any()):
                chosen.append(row)
            if len(chosen) == ITEMS:
                break
        return np.array(chosen, np.int64)


@torch.no_grad()
def shares(model: torch.nn.Module, data: Data, rows: np.ndarray) -> tuple[float, float]:
    """(share of the labeled pixels that are not background, the same of the prediction)."""
    training = model.training
    model.eval()
    counts, background = np.zeros(3), model.objective.background  # type: ignore[union-attr]
    for part in np.array_split(rows, -(-len(rows) // 8)):
        sample = data.sample(part).each(lambda tensor: tensor.to(model.device)).in_units()  # type: ignore[arg-type]
        y, _ = model.predict(sample, Context())  # type: ignore[operator]
        guess = y[:, : model.objective.classes].argmax(1)  # type: ignore[union-attr, index, misc]
        labels = sample.target[:, 0]
        known = labels != IGNORE
        counts += [
            float(known.sum()),
            float(((labels != background) & known).sum()),
            float(((guess != background) & known).sum()),
        ]
    model.train(training)
    return counts[1] / max(counts[0], 1), counts[2] / max(counts[0], 1)
