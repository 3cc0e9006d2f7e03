"""The training items nearest to generated ones: a prior that has learned them by heart repeats them."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.data import Data
from isthmus.data.skip_corrupt import skipping_corrupt
from isthmus.inference.inputs import chunks

SIDE = 32  # pixels that larger images are reduced to


def nearest_rows(own: Tensor, training: Data) -> tuple[np.ndarray, np.ndarray]:
    """The row of the training item nearest to each of N `reduced` items, and the root mean square of the difference,
    [N]."""
    best, rows = torch.full((len(own),), math.inf), torch.zeros(len(own), dtype=torch.long)
    for part, x in chunks(skipping_corrupt(training)):
        least, at = torch.cdist(own, reduced(x)).min(1)
        rows = torch.where(least < best, at + part.start, rows)
        best = torch.minimum(best, least)
    return rows.numpy(), (best / math.sqrt(own.shape[1])).numpy()


def reduced(items: Tensor) -> Tensor:
    """N×shape -> N×K: the values of items, of images at most SIDE×SIDE per channel."""
    if items.dim() == 4 and max(items.shape[2:]) > SIDE:
        items = F.interpolate(items, (SIDE, SIDE), mode="area")
    return items.flatten(1)
