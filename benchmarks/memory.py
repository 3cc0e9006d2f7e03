"""The memory of a training on more images than fit into it: a folder, and shards, of 63 GB in a process of 2 GB.

    python benchmarks/memory.py

50 photos of 1024×1024 are stored once under 20,000 names, and each name is read and decoded. Each training is a process
under a system limit. Writes results/memory.json.
"""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage import data as photographs
from torch import Tensor, nn

import isthmus
from common import write
from isthmus.data import open_data
from isthmus.types import Context, Losses, Sample

PHOTOS, SIDE, NAMES, MANY = 50, 1024, 20_000, 100_000
LIMIT = 2 * 10**9  # bytes that a process may have of its own
BATCH, STEPS, EVERY = 4, 200, 0.1  # EVERY: seconds between two looks
HELD, FOLDER, SHARDS, OPENED = f"{BATCH} pictures held in memory", "a folder", "shards", "small pictures, opened only"
PROTOCOL = (
    f"{PHOTOS} JPEGs of {SIDE}×{SIDE} (cuts of photographs of scikit-image, enlarged, with grain, quality 85) under "
    f"{NAMES:,} names, as hard links in a folder and as {NAMES // PHOTOS} shards (links to one tar file with index); "
    f"two convolutions, {STEPS} steps of {BATCH} at full size. ISTHMUS_CACHE_GB=1, so that nothing is kept and "
    f"each picture is decoded when it is asked for. Each training is a process with RLIMIT_DATA of {LIMIT / 1e9:g} GB. "
    f"MB are 10^6 bytes that lie in memory, looked at every {EVERY} s: what is the process's and its children's own or "
    "shared among them (counted once), and what the process has mapped from files, such as libraries. at_start: when "
    "all is imported; peak: the most until fit() returns; data: peak of this row less that of the first, the same "
    f"training on {BATCH} pictures. The last row only opens {MANY:,} small pictures; kept: what remains of that."
)


class Tiny(nn.Module):
    """Two convolutions that look for a sixteenth of the picture, so that hardly any of the memory is the model's."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Conv2d(3, 8, 16, stride=16), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, sample: Sample, ctx: Context) -> Losses:
        y: Tensor = self.decoder(torch.relu(self.encoder(sample.x)))
        error = y - nn.functional.avg_pool2d(sample.target, 16)
        return Losses({"reconstruction": error.square().flatten(1).sum(1)})


# -- what is measured --


def kilobytes(file: str, *names: str) -> int:
    """The sum of these lines of a file below /proc; 0 where the process has just ended."""
    try:
        lines = Path("/proc", file).read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.partition(":")[0] in names)


def memory() -> float:
    """MB of this process and its children; of libraries, which strangers share, all of what this one has mapped."""
    own = sum(kilobytes(f"{pid}/smaps_rollup", "Pss_Anon", "Pss_Shmem") for pid in ["self", *children()])
    return (own + kilobytes("self/status", "RssFile")) * 1024 / 1e6


def children() -> list[str]:
    """Of every thread of this process, for any of them may fork."""
    found: list[str] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread that has just ended
            found += task.read_text().split()
    return found


class Watch(threading.Thread):
    """The memory when it was made, and the most since."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.before = self.peak = memory()
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(EVERY):
            self.peak = max(self.peak, memory())

    def ended(self) -> dict[str, float]:
        self.over.set()
        self.join()
        return {"at_start_mb": self.before, "peak_mb": self.peak}


def limited() -> None:
    """Take no more than LIMIT bytes, and see that this is so."""
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    try:
        np.empty(LIMIT, np.uint8)
    except MemoryError:
        return
    sys.exit("this system does not keep to RLIMIT_DATA")


def contender(what: str, place: str) -> dict[str, Any]:
    """In a process of its own: train, or open, and say what it took."""
    limited()
    source: Any = place
    if what == HELD:
        source = np.random.default_rng(0).integers(0, 256, (BATCH, 3, SIDE, SIDE), np.uint8)
    watch = Watch()
    watch.start()
    if what == OPENED:
        data = open_data(source)
    else:
        options = {"validation": 0.0, "test": 0.0, "device": "cpu", "quiet": True}
        epochs = STEPS * BATCH / (BATCH if what == HELD else NAMES)
        data = isthmus.fit(Tiny(), source, batch_size=BATCH, epochs=epochs, **options).data
    facts = {"pictures": len(data), "decoded_gb": data.nbytes / 1e9, **watch.ended()}
    if what == OPENED:
        facts["bytes_kept_each"] = (memory() - watch.before) * 1e6 / len(data)
    return facts


# -- what is read --


def photos() -> Iterator[bytes]:
    """JPEGs of SIDE×SIDE."""
    random = np.random.default_rng(0)
    whole = [photographs.astronaut(), photographs.coffee(), photographs.chelsea(), photographs.rocket()]
    for number in range(PHOTOS):
        photo = whole[number % len(whole)]
        top, left = (random.integers(length - 256) for length in photo.shape[:2])
        large = Image.fromarray(photo[top : top + 256, left : left + 256]).resize(
            (SIDE, SIDE), Image.Resampling.BICUBIC
        )
        grain = random.normal(0, 4, (SIDE, SIDE, 1))
        file = io.BytesIO()
        Image.fromarray((np.asarray(large) + grain).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
        yield file.getvalue()


def make(folder: Path) -> dict[str, Path]:
    """The sets, by the name of their row."""
    places = {name: folder / name for name in (FOLDER, SHARDS, OPENED)}
    for place in places.values():
        place.mkdir()
    first = folder / "photos.tar"
    with tarfile.open(first, "w") as tar:
        for number, photo in enumerate(photos()):
            info = tarfile.TarInfo(f"{number:02d}.jpg")
            info.size = len(photo)
            tar.addfile(info, io.BytesIO(photo))
            (folder / info.name).write_bytes(photo)
    for number in range(NAMES):
        os.link(folder / f"{number % PHOTOS:02d}.jpg", places[FOLDER] / f"{number:06d}.jpg")
    size = {"count": PHOTOS, "bytes": first.stat().st_size}
    shards = [{"name": f"shard-{number:05d}.tar", **size} for number in range(NAMES // PHOTOS)]
    for shard in shards:
        os.link(first, places[SHARDS] / shard["name"])
    (places[SHARDS] / "index.json").write_text(json.dumps({"format": 1, "shards": shards}))
    Image.new("RGB", (64, 64)).save(folder / "small.png")
    for number in range(MANY):
        if number % 10_000 == 0:  # no file system gives one file as many names as one likes
            (folder / f"small-{number}.png").write_bytes((folder / "small.png").read_bytes())
        os.link(folder / f"small-{number // 10_000 * 10_000}.png", places[OPENED] / f"{number:06d}.png")
    return places


def main() -> None:
    began, rows = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        places = make(Path(folder))
        given = {"ISTHMUS_CACHE": f"{folder}/cache", "ISTHMUS_CACHE_GB": "1", "CUDA_VISIBLE_DEVICES": ""}
        for what in (HELD, FOLDER, SHARDS, OPENED):
            command = [sys.executable, __file__, what, str(places.get(what, ""))]
            done = subprocess.run(command, env=os.environ | given, stdout=subprocess.PIPE, text=True, check=True)
            rows.append({"data": what, **json.loads(done.stdout.splitlines()[-1])})
    for row in rows[1:3]:
        row["data_mb"] = row["peak_mb"] - rows[0]["peak_mb"]
        row["decoded_times_peak"] = row["decoded_gb"] * 1000 / row["peak_mb"]
    write("memory", PROTOCOL, rows, time.perf_counter() - began, limit_gb=LIMIT / 1e9)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(contender(*sys.argv[1:])))
    else:
        main()
