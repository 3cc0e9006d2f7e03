"""Metrics of images, codes, rankings, segmentations and generated items; tests compare each with another library."""

from isthmus.metrics.codes import active_units, jacobian_norm, perplexity, subspace_angles
from isthmus.metrics.generation import density_coverage, duplicates, frechet_distance, nearest, precision_recall
from isthmus.metrics.image_quality import luma, psnr, psnr_y, squared_error, ssim, ssim_y, y_plane
from isthmus.metrics.instances import average_precision_50, match, match_boxes, rand_error
from isthmus.metrics.ranking import aupro, auroc, average_precision, best_f1
from isthmus.metrics.segmentation import SegmentationScores, bootstrap_interval, confusion, dice, iou, pixel_accuracy

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
    "confusion",
    "pixel_accuracy",
    "iou",
    "dice",
    "rand_error",
    "match",
    "match_boxes",
    "average_precision_50",
    "bootstrap_interval",
    "SegmentationScores",
    "active_units",
    "jacobian_norm",
    "perplexity",
    "subspace_angles",
    "frechet_distance",
    "precision_recall",
    "density_coverage",
    "nearest",
    "duplicates",
]
