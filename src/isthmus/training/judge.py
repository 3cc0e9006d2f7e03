"""Is it the best so far, should the rate fall, is it time to stop? Asked after every epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


class Judge:
    """Knows the lowest loss so far, how many epochs ago it was (`since`), and the plateau's `factor` of the rate."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options
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

    def verdict(self, seconds: float) -> str:
        """Why the training should end now, after `seconds` of it, or nothing."""
        patience, budget = self.options["patience"], self.options["budget"]
        if patience is not None and self.since >= patience:
            return "stopped early"
        return "stopped: the budget is spent" if budget is not None and seconds > budget else ""

    def state(self) -> dict[str, Any]:
        lowest = self.lowest if math.isfinite(self.lowest) else None
        return {"lowest": lowest, "since": self.since, "factor": self.factor}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.lowest = math.inf if state["lowest"] is None else state["lowest"]
        self.since, self.factor = state["since"], state["factor"]
