"""Checks whether training images that are taken as clean are noisy."""

from __future__ import annotations

import warnings

import numpy as np

from isthmus.data import Data
from isthmus.errors import Note
from isthmus.fields import ends_of
from isthmus.jobs.restoration.degradation import estimate_noise

MOST_IMAGES = 32  # images checked, evenly spaced
MAX_SIGMA = 6.0  # of 255; the 25 % quantile is at most 2 for clean photos, X-rays and microscope images


def note_noise(data: Data) -> None:
    """Warn if even the least noisy quarter of the images is noisy: a network then learns to keep noise."""
    if len(data.shape) != 3 or data.further:
        return
    rows = np.unique(np.linspace(0, len(data) - 1, MOST_IMAGES).astype(int))
    images = np.moveaxis(data.batch(rows).numpy(), 1, -1)
    levels = [noise.sigma for image in images if (noise := estimate_noise(image, ends_of(data.range))) is not None]
    if levels and (sigma := float(np.percentile(levels, 25))) > MAX_SIGMA:
        warnings.warn(
            f"the training images seem noisy (σ about {sigma:.0f} of 255), and a model learns to keep their noise: use "
            "clean images, or train denoise with --set corruption=neighbors, which needs none",
            Note,
            stacklevel=4,
        )
