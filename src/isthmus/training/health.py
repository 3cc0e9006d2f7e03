"""A note, once in a training, that the code is of little use: a collapsed posterior, dead vectors of a codebook."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from isthmus.errors import Note
from isthmus.spec import Hooks

if TYPE_CHECKING:
    from isthmus.training.loop import Training

EARLY = 0.3  # share of a training, and number of steps, before which a code may still find its use
FEW = 200


class Health:
    """Call `check` at the end of each epoch."""

    def __init__(self) -> None:
        self.noted = False

    def check(self, training: Training) -> None:
        trouble, progress = Hooks.of(training.module).trouble, training.step / training.steps
        if self.noted or trouble is None or progress < EARLY or training.step < FEW:
            return
        if training.fabric.is_global_zero and (sentence := trouble(training.history[-1], progress)):
            self.noted = True
            warnings.warn(f"epoch {training.history[-1]['epoch']}: {sentence}", Note, stacklevel=2)
