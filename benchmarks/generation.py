"""The figures of generation; a GAN and pythae run in the same run.

    python benchmarks/generation.py [ranking-mnist | ranking-fashion-mnist | ranking-patches] ...
                                    [discrete | gan | pythae | cache | nll | sharper | photos] ...

Fréchet distances and the other scores are computed on features that the file of results names, never on those of
Inception v3: of small classifiers (benchmarks/train_classifier.py) for MNIST and Fashion-MNIST, else of the network
that the package ships. Test pictures are only measured on. Trained models and finished rows stay in runs/generation,
so a stopped part continues with the next row. Each part writes results/generation-PART.json. pythae is in
.peers/pythae (`make bench-peers`).
"""

from __future__ import annotations

from functools import partial

import torch

from common import main
from generating.discrete import against_gan, cache, discrete
from generating.likelihood import nll
from generating.peers import pythae
from generating.photos import photos
from generating.ranking import ranking
from generating.sets import SETS
from generating.sharper import sharper

PARTS = {f"ranking-{data}": partial(ranking, data) for data in SETS} | {
    "discrete": discrete,
    "gan": against_gan,
    "pythae": pythae,
    "cache": cache,
    "nll": nll,
    "sharper": sharper,
    "photos": photos,
}

if __name__ == "__main__":
    torch.set_num_threads(1)  # small pictures: a second thread costs more processor time than it saves
    main(PARTS, __doc__ or "")
