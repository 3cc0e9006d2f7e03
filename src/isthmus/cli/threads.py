"""The wait policy of torch's threads, which is chosen before torch is imported."""

from __future__ import annotations

import os
import sys
import time


def yield_busy_cores() -> None:
    """Make torch's threads sleep instead of spin while they wait for each other, if other programs use the cores.

    A spinning thread keeps the thread it waits for from running: 20 to 60 times slower was measured. On an idle
    machine sleeping costs a seventh, so nothing is set there (docs/performance.md). torch reads the variable when it
    is imported.
    """
    if "torch" in sys.modules:
        return
    try:
        running = []
        for _ in range(3):  # one sample may still count the program that started this one
            with open("/proc/loadavg", encoding="ascii") as file:
                running.append(int(file.read().split()[3].partition("/")[0]) - 1)  # running now, besides this one
            time.sleep(0.001)
    except (OSError, ValueError, IndexError):
        return
    if min(running) / (os.cpu_count() or 1) > 0.25:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
