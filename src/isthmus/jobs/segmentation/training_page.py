"""After a training: the metrics of full images that were held back, and the worst of them on the page of the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isthmus import store
from isthmus.data.split import image_of
from isthmus.jobs.segmentation.comparison import Worst, add_to
from isthmus.jobs.segmentation.evaluate import compared
from isthmus.jobs.segmentation.overlays import panels
from isthmus.jobs.segmentation.segmenter import Segmenter
from isthmus.training import Run

MOST = 50  # images that are measured
ADVICE = "no pixel of these classes is correct: train longer (--budget), or try --set class_weights=frequency"
SHOWN = 8  # of them on the page, the worst


@dataclass
class HeldBack:
    """The metrics of the images that a training held back: a part of the run, kept in metrics.json alone."""

    figures: dict[str, Any]
    part: str
    background: int | None = 0

    def summary(self) -> str:
        """One line with the Dice coefficient and its interval, and with advice if it is 0."""
        low, high = self.figures.get("dice_interval", (None, None))
        interval = "" if low is None else f" (95 % interval {low:.3f} to {high:.3f})"
        count, more = self.figures["images"], ""
        several = "s" if count > 1 else ""
        kind = f"training image{several}" if self.part == "train" else f"image{several} held back"
        if "instance_ap50" in self.figures:
            more = f", AP50 of objects {self.figures['instance_ap50']:.3f}"
        classes = ", ".join(f"{name} {of['dice']:.3f}" for name, of in list(self.figures["per_class"].items())[:9])
        listed = "" if len(self.figures["per_class"]) == 2 else f"; {classes}"
        mean = "Dice" if self.background is None else "Dice without background"
        advice = "" if self.figures["dice"] > 0 else f"; {ADVICE}"
        return f"{mean}, {count} {kind}: {self.figures['dice']:.3f}{interval}{more}{listed}{advice}"


def add_examples(run: Run) -> None:
    """Segment the images of the validation part, or else of the training part, and show the worst on the page."""
    if run.path is None or not run.history:
        return
    part = next(name for name in ("validation", "train") if len(run.parts[name]))
    names = sorted({image_of(run.data.names[row]) for row in run.parts[part]})[:MOST]
    segmenter, source = Segmenter(run.model), run.data.source
    folder = Path(source["path"])
    labels = segmenter.labels(source["truth"]["path"] or folder, names, folder)
    scores, worst = segmenter.scores(), Worst(SHOWN)
    for name, photo, true, found in compared(segmenter, folder, labels, []):
        worst.add(add_to(scores, true, found)["dice"], name, panels(photo, found, true, segmenter.classes.background))
    if not scores.counts:
        return
    run.model.parts["held_back"] = HeldBack(scores.result(), part, segmenter.classes.background)
    metrics = store.read_json(run.path / store.METRICS)
    store.write_json(run.path / store.METRICS, {**metrics, "segmentation": {"part": part, **scores.result()}})
    page = run.plot()
    worst.show(page)
    page.write(run.path / store.PAGE)
