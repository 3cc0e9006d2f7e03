"""Why the scores of a detector, or its threshold, say less than was asked for."""

from __future__ import annotations

import math

from isthmus.detection.detector import Detector

ENOUGH = 4  # a training of fewer than one in so many of the steps it takes is too short to judge by
POOR = 0.6  # AUROC of the self-check below which next to nothing may be expected
FEW = 10  # normal items held back, below which a threshold says little


def calibration_warnings(detector: Detector, false_alarms: float | None = None) -> list[str]:
    """One line for each reason; none where there is none."""
    told = []
    taken, wanted = detector.steps
    if taken * ENOUGH < wanted:
        pictures = detector.check is not None
        faster = ", or a smaller --size, whose steps take less time" if pictures else ""
        told.append(
            f"trained for {taken:,} of the {wanted:,} steps that such a net takes: too few to judge by its scores; "
            f"give it a longer --budget or more --epochs{faster}"
        )
    if detector.check is not None and detector.check["auroc"] < POOR:
        told.append(
            f"AUROC {detector.check['auroc']:.2f} on synthesized defects is about chance: try a longer --budget, "
            "another --set kind= (repairing, inpainting, denoising), more pictures, or parts that all lie alike"
        )
    share, count = detector.share(false_alarms), len(detector.good)
    promised, (low, high) = detector.fpr_bound(false_alarms), detector.between(false_alarms)
    items = f"{count} normal item{'' if count == 1 else 's'} held back"
    likely = f"between {low:.1%} and {high:.0%} (95 %)"
    if promised is not None and (count + 1) * share < 1 - 1e-9:
        told.append(
            f"{items}: at best {promised:.1%} of false alarms can be promised, {likely}; "
            f"to promise {share:.1%} takes {math.ceil(1 / share - 1e-9) - 1}: --set good=FOLDER names more of them"
        )
    elif count < FEW:
        told.append(f"{items}: too few to say much of false alarms: {likely}")
    return told
