"""Whether pictures that a restoration learns from as clean are noisy themselves."""

from __future__ import annotations

import warnings

import numpy as np

from isthmus.data import Data
from isthmus.data.base import ends_of
from isthmus.errors import Note
from isthmus.jobs.restoration.degradation import noise_in

LOOKED_AT = 32  # pictures, evenly chosen
MOST = 6.0  # of 255: the quietest quarter of clean photos, X-rays and microscope pictures has 2 at most


def note_noise(data: Data) -> None:
    """Warn with a Note where even the quietest quarter of the pictures is noisy: a net then learns to keep noise."""
    if len(data.seen) != 3 or data.paired:
        return
    chosen = np.unique(np.linspace(0, len(data) - 1, LOOKED_AT).astype(int))
    pictures = np.moveaxis(data.batch(chosen).numpy(), 1, -1)
    found = [noise.sigma for picture in pictures if (noise := noise_in(picture, ends_of(data.range))) is not None]
    if found and (sigma := float(np.percentile(found, 25))) > MOST:
        warnings.warn(
            f"the pictures to learn from seem noisy themselves (σ about {sigma:.0f} of 255), and a model learns to "
            "keep what they show: use clean ones, or train denoise with --set corruption=neighbours, which needs none",
            Note,
            stacklevel=4,
        )
