"""How torch's threads wait for each other, chosen before torch is imported."""

from __future__ import annotations

import os
import sys
import time


def give_way() -> None:
    """Where other programs use the cores, let torch's threads wait for each other asleep.

    A thread that spins keeps the one it waits for from running: 20 to 60 times as slow was measured. On a quiet machine
    giving way costs a seventh, so there it is left (docs/performance.md). torch reads it when it is imported.
    """
    if "torch" in sys.modules:
        return
    try:
        looks = []
        for _ in range(3):  # at one moment, who started us may still be running
            with open("/proc/loadavg", encoding="ascii") as file:
                looks.append(int(file.read().split()[3].partition("/")[0]) - 1)  # that run now, besides us
            time.sleep(0.001)
    except (OSError, ValueError, IndexError):
        return
    if min(looks) / (os.cpu_count() or 1) > 0.25:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
