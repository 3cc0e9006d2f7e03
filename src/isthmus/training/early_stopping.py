"""Early stopping, the rate of the plateau schedule, and the clock of --budget."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any


class EarlyStopping:
    """The lowest loss so far, the epochs since then (`since`), and the plateau's `factor` of the rate.

    Also the clock of --budget, which starts here and runs through everything that a training does, resumed ones
    included. `spare` seconds are reserved for the end of an epoch.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options
        self.began, self.spare = time.perf_counter(), 0.0
        self.budget: float = math.inf if options["budget"] is None else options["budget"]
        self.lowest, self.since, self.factor = math.inf, 0, 1.0

    def better(self, loss: float) -> bool:
        """Whether this is the lowest loss so far; if not, the rate may fall."""
        if loss < self.lowest:
            self.lowest, self.since = loss, 0
            return True
        self.since += 1
        if self.options["schedule"] == "plateau" and self.since % 3 == 0:
            self.factor *= 0.5
        return False

    def reason(self) -> str:
        """The reason to end the training after this epoch, or ""."""
        patience = self.options["patience"]
        return (
            "stopped early: the validation loss no longer falls"
            if patience is not None and self.since >= patience
            else ""
        )

    def left(self, now: float) -> float:
        """Seconds in which another step may begin."""
        return self.began + self.budget - self.spare - now

    def state(self) -> dict[str, Any]:
        lowest = self.lowest if math.isfinite(self.lowest) else None
        clock = {"spent": time.perf_counter() - self.began, "spare": self.spare}
        return {"lowest": lowest, "since": self.since, "factor": self.factor, **clock}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.lowest = math.inf if state["lowest"] is None else state["lowest"]
        self.since, self.factor = state["since"], state["factor"]
        self.began, self.spare = self.began - state.get("spent", 0.0), state.get("spare", 0.0)
