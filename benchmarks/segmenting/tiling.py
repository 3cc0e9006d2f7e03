"""Tiles against one pass at 1024², and the memory of `isthmus segment` at 4096², on mosaics of nuclei."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from isthmus.jobs.segmentation.segmenter import Segmented, Segmenter
from isthmus.media.photo import Photo
from segmenting.nuclei import run_of_nuclei, split
from segmenting.sets import NUCLEI
from segmenting.training import rgb
from stored_rows import Part, Row

PEAK = Path(__file__).parents[1] / "peers/peak.py"
TILES = (128, 256, 512)


def mosaic(side: int) -> np.ndarray:
    """side×side×3 of the test images of 256×256, repeated."""
    names, across = split()[1], side // 256
    images = [rgb(NUCLEI / "images" / names[k % len(names)]) for k in range(across**2)]
    return np.concatenate([np.concatenate(images[k : k + across], 1) for k in range(0, across**2, across)])


def compared(one: Segmented, other: Segmented) -> Row:
    assert one.objects is not None
    assert other.objects is not None
    difference = np.abs(one.probability.astype(np.float32) - other.probability.astype(np.float32))
    return {
        "largest_difference": float(difference.max()),
        "objects": int(one.objects.max()),
        "objects_of_one_pass": int(other.objects.max()),
        "pixels_of_another_class": int((one.classes != other.classes).sum()),
    }


def measured(run: Path, side: int) -> Row:
    """Peak memory and seconds of `isthmus segment` on a PNG, in a process."""
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(mosaic(side)).save(Path(folder) / "mosaic.png")
        command = [sys.executable, str(PEAK), sys.executable, "-m", "isthmus", "segment", str(run)]
        command += [f"{folder}/mosaic.png", "--out", f"{folder}/out", "--quiet"]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {"peak_gb": found["peak_bytes"] / 1e9, "wall_seconds": found["seconds"]}


def tiling() -> None:
    part, run = Part("segmentation", "tiling"), run_of_nuclei()
    photo = Photo(mosaic(1024))
    untiled = Segmenter(run, tile=4096)(photo)
    for tile in TILES:
        part.row(lambda tile=tile: compared(Segmenter(run, tile=tile)(photo), untiled), side=1024, tile=tile)
    part.row(lambda: measured(run, 4096), side=4096, tile=512)
    part.end(
        "mosaics of the test images of segmentation-nuclei, with their run: probabilities (float16), classes and "
        f"objects in tiles, overlapping by the reach of {Segmenter(run).reach} pixels, against one pass; peak memory "
        "and seconds of `isthmus segment` on a PNG of 4096×4096 in a process of its own, overlays, table and boxes "
        "included"
    )
