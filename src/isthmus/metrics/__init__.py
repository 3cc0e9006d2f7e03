"""Every figure the project quotes, computed here and checked in the tests against a library that has it too."""

from isthmus.metrics.codes import active_units, jacobian_norm, perplexity, subspace_angles
from isthmus.metrics.pictures import psnr, squared_error, ssim
from isthmus.metrics.ranking import auroc

__all__ = [
    "psnr",
    "ssim",
    "squared_error",
    "auroc",
    "active_units",
    "jacobian_norm",
    "perplexity",
    "subspace_angles",
]
