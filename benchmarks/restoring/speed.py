"""The speed of denoising compared with BM3D, and the memory of a large photo."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from interleaved import LOAD, LOADED, THREADS, Absent, answer, enter, environment, script
from restoring import damage
from restoring.comparison import PYTHON, SHIPPED, Comparison, files, in_bytes, read

SIGMA = 25
HEIGHT, WIDTH = 320, 480  # as large as the pictures of BSD68: BM3D takes minutes for a photo
COMMAND = [sys.executable, "-c", "from isthmus.cli import main; main()"]
NETS = {"denoise-gray": "BM3D", "denoise-color": "CBM3D"}


def speed(comparison: Comparison) -> None:
    """One of Kodak's pictures in gray and in color, and all of them as one photo of 24 megapixels."""
    began = time.perf_counter()
    models = {name: comparison.runs.get(name) or (name if comparison.shipped(name) else None) for name in NETS}
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        contenders = {}
        for name, peer in NETS.items():
            clean = read(files("kodak24")[0], gray=name == SHIPPED[0])[:, :HEIGHT, :WIDTH]
            picture = in_bytes(damage.noisy(clean, SIGMA, 0))
            file = Path(folder) / f"{name}.npy"
            np.save(file, np.rint(255 * picture).astype(np.uint8).transpose(1, 2, 0).squeeze())
            if models[name]:
                contenders[f"isthmus {name}"] = script("restore_ours", file, models[name])
            if comparison.peers:
                contenders[peer] = script("restore_bm3d", file, SIGMA, python=str(PYTHON))
        if contenders:
            measured = enter(contenders, needed=next(iter(contenders)))
        for label in contenders.keys() - measured.keys():
            comparison.lacks(f"no {label}")
        for label, said in measured.items():
            seconds = median(s for one in said for s in one["seconds"])
            comparison.add(label, megapixels_per_second=said[0]["megapixels"] / seconds, seconds=seconds)
        for name, peer in NETS.items():
            if {f"isthmus {name}", peer} <= set(measured):
                each = [
                    median(b["seconds"]) / median(a["seconds"])
                    for a, b in zip(measured[f"isthmus {name}"], measured[peer], strict=True)
                ]
                comparison.add(f"isthmus {name}", beside=peer, times=median(each), range=[min(each), max(each)])
        if models["denoise-color"]:
            comparison.add(
                "isthmus denoise-color, a photo of 24 megapixels", **photo(Path(folder), models["denoise-color"])
            )
    comparison.end(
        "isthmus.denoise and bm3d on the same array of 480×320, 8 bits, in processes of their own in turn, two threads "
        "and two cores, 5 rounds, medians; times: BM3D's seconds over ours, round by round; photo: `isthmus denoise "
        "PHOTO.jpg` as a process, from its start to its end, its highest resident memory",
        time.perf_counter() - began,
        load=LOAD,
        loaded=LOADED,
        threads=THREADS,
        rounds=measured,
    )


def photo(folder: Path, model: str, height: int = 4000, width: int = 6000) -> dict[str, float]:
    """What `isthmus denoise` costs on a photo of that size made of Kodak's pictures."""
    wide = [picture for picture in map(read, files("kodak24")) if picture.shape[1:] == (512, 768)]
    rows = [np.concatenate((wide * 2)[i : i + 8], 2) for i in range(8)]
    pixels = np.concatenate(rows, 1)[:, :height, :width]
    noisy = np.rint(255 * in_bytes(damage.noisy(pixels, SIGMA, 1))).astype(np.uint8)
    Image.fromarray(noisy.transpose(1, 2, 0)).save(folder / "photo.jpg", quality=95)
    command = [*COMMAND, "denoise", str(folder / "photo.jpg"), "--out", str(folder / "clean.png"), "--model", model]
    try:
        said = answer(script("peak", *command), environment(gpu=False))
    except Absent as reason:
        raise SystemExit(f"isthmus denoise: {reason}") from None
    return {
        "megapixels": noisy[0].size / 1e6,
        "peak_gb": said["peak_bytes"] / 1e9,
        "seconds": said["seconds"],
        "megapixels_per_second": noisy[0].size / 1e6 / said["seconds"],
    }
