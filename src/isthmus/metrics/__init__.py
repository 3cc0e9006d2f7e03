"""Metrics of images, codes and rankings; tests compare each with another library."""

from isthmus.metrics.codes import active_units, jacobian_norm, perplexity, subspace_angles
from isthmus.metrics.image_quality import luma, psnr, psnr_y, squared_error, ssim, ssim_y, y_plane
from isthmus.metrics.ranking import aupro, auroc, average_precision, best_f1

__all__ = [
    "psnr",
    "psnr_y",
    "luma",
    "y_plane",
    "ssim",
    "ssim_y",
    "squared_error",
    "auroc",
    "average_precision",
    "best_f1",
    "aupro",
    "active_units",
    "jacobian_norm",
    "perplexity",
    "subspace_angles",
]
