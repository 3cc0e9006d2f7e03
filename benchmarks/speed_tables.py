"""The tables of benchmarks/speed.py and benchmarks/gpu.py: for equal work, and for different work."""

from __future__ import annotations

from table_writer import NONE, Row, Rows, Table


def load(row: Row) -> str:
    """The load of the machine by other processes before the measurement."""
    return f"{row['load']:.1f}" + (" (loaded)" if row.get("loaded") else "")


def times(part: str, key: str, title: str) -> Rows:
    """How many times as fast as each baseline, from one run; later epochs of a folder are different work."""
    compiled = "{compiled_times:.3g} ×"
    figure = f"**{{{key}_times:.3g}} ×** ({{{key}_range[0]:.3g}}–{{{key}_range[1]:.3g}})"
    return Rows(
        f"speed-{part}",
        (title, "{model}", figure, compiled, load),
        where=lambda row: f"{key}_times" in row and row.get("epoch") != "later",
    )


def ratio(part: str, key: str, title: str) -> Rows:
    """Seconds of the baseline over those of Isthmus, where the work differs."""
    return Rows(
        f"speed-{part}",
        (title, "{model}", f"{{{key}_times:.3g}} ({{{key}_range[0]:.3g}}–{{{key}_range[1]:.3g}})", load),
        where=lambda row: f"{key}_times" in row and row["model"] != "python alone" and row.get("epoch") != "first",
    )


SPEED = Table(  # benchmarks/speed.py
    ("", "baseline", "Isthmus is × as fast (lowest–highest round)", "with `compile=True`", "load before"),
    [
        times("dense", "isthmus", "784-24-784 on MNIST, an epoch on 2 cores"),
        times("conv", "isthmus", "a convolutional VAE on {pictures}, an epoch on 2 cores"),
        times("folder", "isthmus", "5,000 JPEGs of 128 px, {epoch} epoch on 2 cores"),
        times("folder", "large", "the same as if too large for memory, {epoch} epoch"),
        times("gpu", "isthmus", "784-24-784 on MNIST, {timed}, one GPU"),
    ],
    short=lambda row: [f"{row[0]}: times as fast as {row[1]}", row[2], NONE],
)
DIFFERENT = Table(
    ("", "baseline", "its seconds over those of Isthmus (lowest–highest round)", "load before"),
    [
        ratio(
            "folder",
            "isthmus",
            "5,000 JPEGs of 128 px: later epochs, Isthmus from its cache, the baseline decoding",
        ),
        ratio("folder", "large", "the same as if too large for memory"),
        ratio("startup", "isthmus", "`import isthmus` and `import torch`, which it does not import"),
        ratio("startup", "help", "`isthmus --help` and `import torch`"),
    ],
)
PER_SECOND = ("{net}", "{batch}", "{pictures_a_second:,}")
GPU = Table(  # benchmarks/gpu.py: fit(), and a hand-written loop for the same work
    ("", "batch size", "images per second", "hand-written loop", "machine"),
    [
        Rows(
            "gpu-speed", (*PER_SECOND, "{by_hand:,}", "{machine[gpu]}"), where=lambda row: row["net"].startswith("784")
        ),
        Rows("gpu-speed", (*PER_SECOND, NONE, "{machine[gpu]}"), where=lambda row: not row["net"].startswith("784")),
    ],
)
