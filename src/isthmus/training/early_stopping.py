"""Is it the best so far, should the rate fall, is it time to stop?"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any


class EarlyStopping:
    """Knows the lowest loss so far, how many epochs ago it was (`since`), and the plateau's `factor` of the rate.

    It also holds the clock of --budget, which runs from here on, through everything that a training does and over all
    its sittings. `spare` seconds are kept back for what the end of an epoch costs.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options
        self.began, self.spare = time.perf_counter(), 0.0
        self.budget: float = math.inf if options["budget"] is None else options["budget"]
        self.lowest, self.since, self.factor = math.inf, 0, 1.0

    def better(self, loss: float) -> bool:
        """Whether this is the lowest loss so far; where it is not, the rate may fall."""
        if loss < self.lowest:
            self.lowest, self.since = loss, 0
            return True
        self.since += 1
        if self.options["schedule"] == "plateau" and self.since % 3 == 0:
            self.factor *= 0.5
        return False

    def verdict(self) -> str:
        """Why the training should end after this epoch, or nothing."""
        patience = self.options["patience"]
        return (
            "stopped early: the validation loss no longer falls"
            if patience is not None and self.since >= patience
            else ""
        )

    def left(self, now: float) -> float:
        """Seconds in which there may be another step."""
        return self.began + self.budget - self.spare - now

    def state(self) -> dict[str, Any]:
        lowest = self.lowest if math.isfinite(self.lowest) else None
        clock = {"spent": time.perf_counter() - self.began, "spare": self.spare}
        return {"lowest": lowest, "since": self.since, "factor": self.factor, **clock}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.lowest = math.inf if state["lowest"] is None else state["lowest"]
        self.since, self.factor = state["since"], state["factor"]
        self.began, self.spare = self.began - state.get("spent", 0.0), state.get("spare", 0.0)
