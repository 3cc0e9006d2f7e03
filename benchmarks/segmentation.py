"""The figures of segmentation; baselines and other networks run in the same run.

    python benchmarks/segmentation.py [outlines | nuclei | noisy | tiling | membranes | tiles | pretraining] ...

Trainings are the recipe `segment` with its defaults, of a fixed number of epochs or steps; other networks get the same
patches and the same seconds of processor time. Finished runs and rows stay in runs/segmentation, so a stopped part
continues with the next one. Each part writes results/segmentation-PART.json. segmentation_models.pytorch is in
.peers/segmentation (`make bench-peers`); without it its row is left out.
"""

from __future__ import annotations

import torch

from common import main
from segmenting.membranes import membranes
from segmenting.noisy import noisy_nuclei
from segmenting.nuclei import nuclei
from segmenting.outlines import outlines
from segmenting.pretraining import pretraining
from segmenting.tiles import tiles
from segmenting.tiling import tiling

PARTS = {
    "outlines": outlines,
    "nuclei": nuclei,
    "noisy": noisy_nuclei,
    "tiling": tiling,
    "membranes": membranes,
    "tiles": tiles,
    "pretraining": pretraining,
}

if __name__ == "__main__":
    torch.set_num_threads(1)  # a second one costs more processor time than it saves on patches of 128 pixels
    main(PARTS, __doc__ or "")
