"""Warnings about the scores and the threshold of a detector, and the origin of the threshold in words."""

from __future__ import annotations

import math
import warnings

from isthmus.errors import Note
from isthmus.jobs.anomaly.detector import Detector

UNDERTRAINED = 4  # a run with less than 1/4 of the steps that its network needs is too short for its scores to count
CHANCE = 0.6  # AUROC of the self-check below which the detector hardly beats chance
SMALL_SET = 10  # normal calibration items below which a threshold is very uncertain


def calibration_warnings(detector: Detector, false_alarms: float | None = None) -> list[str]:
    """One line for each reason to distrust the scores or the threshold; empty where there is none."""
    lines = []
    trained, needed = detector.steps
    if trained * UNDERTRAINED < needed:
        images = detector.check is not None
        faster = ", or a smaller --size, whose steps take less time" if images else ""
        lines.append(
            f"trained for {trained:,} of the {needed:,} steps that this network needs, too few to judge by its scores: "
            f"use a longer --budget or more --epochs{faster}"
        )
    if detector.check is not None and detector.check["auroc"] < CHANCE:
        lines.append(
            f"AUROC {detector.check['auroc']:.2f} on synthesized defects is about chance: try a longer --budget, "
            "another --set kind= (repairing, inpainting, denoising), more images, or parts that are aligned"
        )
    fpr, count = detector.target_fpr(false_alarms), len(detector.good)
    bound, (low, high) = detector.fpr_bound(false_alarms), detector.fpr_interval(false_alarms)
    items = f"{count} normal calibration item{'' if count == 1 else 's'}"
    interval = f"between {low:.1%} and {high:.0%} with 95 % confidence"
    if bound is not None and (count + 1) * fpr < 1 - 1e-9:
        lines.append(
            f"{items} can guarantee a mean false-positive rate of {bound:.1%}, not {fpr:.1%}, which takes "
            f"{math.ceil(1 / fpr - 1e-9) - 1}; the rate of this threshold is {interval}"
            + ("; --set good=FOLDER calibrates on more images" if detector.check is not None else "")
        )
    elif count < SMALL_SET:
        lines.append(f"{items}: too few to estimate the false-positive rate, which is {interval}")
    return lines


def warn_of_calibration(detector: Detector, false_alarms: float | None = None) -> None:
    for line in calibration_warnings(detector, false_alarms):
        warnings.warn(line, Note, stacklevel=3)


def threshold_in_words(detector: Detector, false_alarms: float | None) -> str:
    """The origin of the threshold, its bound on the false-positive rate, and the uncertainty."""
    bound, (low, high), count = (
        detector.fpr_bound(false_alarms),
        detector.fpr_interval(false_alarms),
        len(detector.good),
    )
    interval = f"{low:.1%} to {high:.1%} (95 % interval from {count} normal items that were not trained on)"
    if bound is None:
        text = (
            "The threshold has the best F1 on the given defects and the calibration set, without a bound on the "
            f"false-positive rate, which is {interval}."
        )
    else:
        text = (
            "The threshold is calibrated on normal items: averaged over calibration sets, the false-positive rate is "
            f"at most {bound:.1%}; with this calibration set it is {interval}."
        )
    return f"{text} Scores are in standard deviations of normal items."
