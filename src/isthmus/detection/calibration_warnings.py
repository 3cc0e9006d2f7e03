"""Warnings about a detector whose scores or threshold are less reliable than its settings ask for."""

from __future__ import annotations

import math

from isthmus.detection.detector import Detector

UNDERTRAINED = 4  # a run with less than 1/4 of the steps that its network needs is too short for its scores to count
CHANCE = 0.6  # AUROC of the self-check below which the detector hardly beats chance
SMALL_SET = 10  # normal calibration items below which a threshold is very uncertain


def calibration_warnings(detector: Detector, false_alarms: float | None = None) -> list[str]:
    """One line for each reason to distrust the scores or the threshold; empty where there is none."""
    warnings = []
    trained, needed = detector.steps
    if trained * UNDERTRAINED < needed:
        images = detector.check is not None
        faster = ", or a smaller --size, whose steps take less time" if images else ""
        warnings.append(
            f"trained for {trained:,} of the {needed:,} steps that this network needs, too few to judge by its scores: "
            f"use a longer --budget or more --epochs{faster}"
        )
    if detector.check is not None and detector.check["auroc"] < CHANCE:
        warnings.append(
            f"AUROC {detector.check['auroc']:.2f} on synthesized defects is about chance: try a longer --budget, "
            "another --set kind= (repairing, inpainting, denoising), more images, or parts that are aligned"
        )
    fpr, count = detector.target_fpr(false_alarms), len(detector.good)
    bound, (low, high) = detector.fpr_bound(false_alarms), detector.fpr_interval(false_alarms)
    items = f"{count} normal calibration item{'' if count == 1 else 's'}"
    interval = f"between {low:.1%} and {high:.0%} (95 %)"
    if bound is not None and (count + 1) * fpr < 1 - 1e-9:
        warnings.append(
            f"{items}: the lowest false-positive rate that they can guarantee is {bound:.1%}, {interval}; "
            f"to guarantee {fpr:.1%} takes {math.ceil(1 / fpr - 1e-9) - 1}: --set good=FOLDER adds more"
        )
    elif count < SMALL_SET:
        warnings.append(f"{items}: too few to estimate the false-positive rate: {interval}")
    return warnings
