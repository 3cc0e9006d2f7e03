"""The tables of benchmarks/speed.py: for equal work, and for different work."""

from __future__ import annotations

from common import RESULTS, results

Table = list[list[str]]  # the head, then a list of cells a row
SPEED = [  # results/speed-PART.json, the start of the keys, our contender, what is done
    ("dense", "isthmus", "isthmus", "784-24-784 on MNIST, an epoch on 2 cores"),
    ("conv", "isthmus", "isthmus", "a convolutional VAE on {pictures}, an epoch on 2 cores"),
    ("folder", "isthmus", "isthmus", "5,000 JPEGs of 128 px, {epoch} epoch on 2 cores"),
    ("folder", "large", "isthmus, large", "the same as if too large for memory, {epoch} epoch"),
    ("gpu", "isthmus", "isthmus", "784-24-784 on MNIST, {timed}, one GPU"),
]
# Different work, so ratios of seconds instead of a speed: in docs/performance.md.
DIFFERENT = [
    (
        "folder",
        "isthmus",
        "isthmus",
        "5,000 JPEGs of 128 px: later epochs, Isthmus from its cache, the baseline decoding",
    ),
    ("folder", "large", "isthmus, large", "the same as if too large for memory"),
    ("startup", "isthmus", "import isthmus", "`import isthmus` and `import torch`, which it does not import"),
    ("startup", "help", "isthmus --help", "`isthmus --help` and `import torch`"),
]


def loads(part: str) -> str:
    """The load of the machine by other processes before that part began."""
    record = results(f"speed-{part}")
    return f"{record['load']:.1f}" + (" (loaded)" if record.get("loaded") else "")


def speed() -> Table:
    """Every figure of benchmarks/speed.py for equal work: how many times as fast as each baseline, from one run."""
    head = ["", "baseline", "Isthmus is × as fast (lowest–highest round)"]
    lines = [[*head, "with `compile=True`", "load before"]]
    for part, key, _, job in SPEED:
        if not (RESULTS / f"speed-{part}.json").exists():
            continue
        rows = results(f"speed-{part}")["rows"]
        for row in rows:
            if f"{key}_times" not in row or row.get("epoch") == "later":
                continue
            title, (low, high) = job.format(**row), row[f"{key}_range"]
            compiled = f"{row['compiled_times']:.3g} ×" if "compiled_times" in row else "–"
            times = f"**{row[f'{key}_times']:.3g} ×** ({low:.3g}–{high:.3g})"
            lines.append([title, row["model"], times, compiled, loads(part)])
    return lines


def different() -> Table:
    """Seconds of the baseline over those of Isthmus where the work differs."""
    lines = [["", "baseline", "its seconds over those of Isthmus (lowest–highest round)", "load before"]]
    for part, key, _, title in DIFFERENT:
        if not (RESULTS / f"speed-{part}.json").exists():
            continue
        for row in results(f"speed-{part}")["rows"]:
            if f"{key}_times" in row and row["model"] != "python alone" and row.get("epoch") != "first":
                low, high = row[f"{key}_range"]
                lines.append([title, row["model"], f"{row[f'{key}_times']:.3g} ({low:.3g}–{high:.3g})", loads(part)])
    return lines


def on_gpu() -> Table:
    """The results of benchmarks/gpu.py: images per second of fit(), and of a hand-written loop for the same work."""
    gpu = results("gpu-speed")
    lines = [["", "batch size", "images per second", "hand-written loop", "machine"]]
    for row in gpu["rows"]:
        by_hand = f"{row['by_hand']:,}" if row["net"].startswith("784") else "–"
        lines.append([row["net"], str(row["batch"]), f"{row['pictures_a_second']:,}", by_hand, gpu["machine"]["gpu"]])
    return lines
