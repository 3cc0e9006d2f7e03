"""Shared by all benchmarks: the machine, and the results file with its record."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("isthmus", "torch", "lightning-fabric", "numpy", "scikit-learn", "scikit-image")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, and the GPU where there is one."""
    import torch

    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    facts = {
        "processor": names[0].partition(":")[2].strip() if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    return facts | ({"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {})


def write(name: str, protocol: str, rows: list[dict[str, Any]], seconds: float, **more: Any) -> Path:
    """results/NAME.json: what was done, what came out, where, with which versions, and how long it took."""
    RESULTS.mkdir(exist_ok=True)
    record = {
        "benchmark": name,
        "protocol": protocol,
        "rows": rows,
        **more,
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(seconds, 1),
        "machine": machine(),
        "versions": {package: version(package) for package in PACKAGES},
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for row in rows:
        print("  ".join(f"{key} {_shown(value)}" for key, value in row.items()), flush=True)
    print(f"-> {path}", flush=True)
    return path


def results(name: str) -> dict[str, Any]:
    """What `write` wrote under that name."""
    record: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return record


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(parts: dict[str, Callable[[], None]], about: str) -> None:
    """Run the parts that are named on the command line, or all of them in order."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("parts", nargs="*", choices=[[], *parts], metavar="PART", help=f"of: {', '.join(parts)}")
    parser.add_argument("--loaded", action="store_true", help="measure speed while others are at work")
    for name in parser.parse_args().parts or parts:
        print(f"== {name}", flush=True)
        parts[name]()
