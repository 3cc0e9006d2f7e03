"""detect: which of these are not like the good ones, and where."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data
from isthmus.data.base import ends_of
from isthmus.detection import FILE, Detector, Finding, calibration_warnings
from isthmus.detection.self_check import in_words
from isthmus.detection.settings import checked_rate
from isthmus.errors import BadInput
from isthmus.files import atomic, atomic_folder, check_output
from isthmus.inference.inputs import RunOrModel, as_model, chunks, name_of, open_for
from isthmus.jobs.anomaly.calibrate import doubted
from isthmus.jobs.anomaly.detector_part import detector_of
from isthmus.jobs.anomaly.heatmaps import Heatmaps, Saved, Worst
from isthmus.jobs.anomaly.odd_columns import OddColumns
from isthmus.report import Page, charts

COLUMNS = ("file", "score", "threshold", "verdict", "ratio", "why")
WORST = (
    "To the left the picture, to the right what exceeds normal variation in color. A blue line goes around what is "
    "over the threshold of the map, which normal pictures stay below."
)
NONE = "isthmus train detect makes a run that has one"
Row = dict[str, Any]


def detect(
    run: RunOrModel,
    source: Any,
    *,
    out: Path | str | None = None,
    false_alarms: float | None = None,
    split: str | None = None,
    first: int | None = None,
    force: bool = False,
    device: str | None = None,
    save_masks: bool = False,
    save_maps: str | None = None,
) -> list[Row]:
    """A row an item: file, score, threshold, verdict (good, bad or unreadable) and ratio, in the order of the data;
    of a table also odd, the columns that are not as they should be, with their shares.

    The score counts standard deviations from what is normal; ratio is what is scored (errors, distances) as times the
    normal: of two items the one with the higher score has the higher ratio.
    out: a folder of scores.csv, heatmaps/ (for pictures) and index.html. false_alarms: the share of good ones that may
    be called bad, other than the run's own. device: as evaluate has it. save_masks: also masks/ (PNG of 0 and 255) and
    boxes.json (COCO) of what is found. save_maps: also maps/, npy or tif, float32; all at the size of the files. Raises
    BadInput for a run without a detector, and data it does not take.
    """
    model = as_model(run, device)
    detector = detector_of(model)
    if detector is None:
        stopped = model.about.get("recipe") == "detect"
        hint = "its training was not finished; the same command with --resume does that" if stopped else NONE
        raise BadInput(f"{model.path or 'this model'}: has no {FILE}: {hint}")
    if false_alarms is not None:
        checked_rate(false_alarms)
    saved = Saved(save_masks, save_maps)
    if saved != Saved() and (out is None or len(model.shape) != 3):
        raise BadInput("masks and maps are saved of pictures, into the folder that out names")
    if out is not None:
        check_output(out, force=force)
    doubted(detector, false_alarms)
    data = open_for(model, source, split=split, first=first)
    odd, rows = OddColumns.of(model), list[Row]()
    if out is None:
        for x, names, found in findings(model, data, false_alarms):
            rows += (new := rows_of(names, found))
            odd.add(x, found.map, new) if odd is not None else None
        return rows
    like = model.about.get("input", {})
    stretched, white = bool(like.get("whole")), white_of(data)
    with (
        atomic_folder(out, force=force) as folder,
        Heatmaps(detector, folder, data, stretched, white, saved) as drawn,
    ):
        for x, names, found in findings(model, data, false_alarms):
            new = rows_of(names, found)
            rows += new
            if odd is not None:
                odd.add(x, found.map, new)
            if x.dim() == 4:
                drawn.add(x, found, [(row["score"], caption(row)) for row in new])
        worst = drawn.close()
        rows += [{"file": name, "verdict": "unreadable", "why": why} for name, why in data.skipped]
        write_rows(folder / "scores.csv", rows)
        shown = page(model, data, rows, worst, false_alarms)
        if odd is not None:
            odd.show(shown)
        shown.write(folder / "index.html")
    return rows


def white_of(data: Data) -> float:
    """The value of white in files of 16 bits: that of the run, where it has learned from such files."""
    high = ends_of(data.range)[1]
    return high if high > 255 else 65535.0


def findings(model: Autoencoder, data: Data, false_alarms: float | None) -> Iterator[tuple[Tensor, list[str], Finding]]:
    detector = detector_of(model)
    assert detector is not None
    for place, items in chunks(data):
        names = iter(data.names[place])
        for x in detector.split(model, items):  # not all at once, so that heatmaps are drawn meanwhile
            yield x, list(islice(names, len(x))), detector(model, x, false_alarms)


def rows_of(names: list[str], found: Finding) -> list[Row]:
    verdicts = ["bad" if bad else "good" for bad in found.bad]
    columns = (names, found.score.tolist(), [found.threshold] * len(names), verdicts, found.ratio.tolist())
    return [dict(zip(COLUMNS, values, strict=False)) for values in zip(*columns, strict=True)]


def write_rows(path: Path, rows: list[Row]) -> None:
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        names = (*COLUMNS, "odd") if any("odd" in row for row in rows) else COLUMNS
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)


def caption(row: Row) -> str:
    return f"{row['file']}: {row['verdict']}, score {row['score']:.2f}, {row['ratio']:.3g}× the normal"


def page(
    model: Autoencoder,
    data: Data,
    rows: list[Row],
    worst: list[Worst],
    false_alarms: float | None,
) -> Page:
    """One page to look through: how many, where the line was drawn and why there, and the worst of them."""
    detector = detector_of(model)
    assert detector is not None
    bad = sum(row["verdict"] == "bad" for row in rows)
    shown = Page(f"{name_of(data)}: {bad} of {len(data)} are not like the good ones")
    line = next((row["threshold"] for row in rows if "threshold" in row), None)
    shown.figures({"bad": bad, "good": len(data) - bad, "unreadable": len(data.skipped), "threshold": line})
    for doubt in calibration_warnings(detector, false_alarms):
        shown.text(capitalized(doubt) + ".")
    shown.text(threshold_in_words(detector, false_alarms))
    if detector.check is not None:
        shown.text(capitalized(in_words(detector.check)) + ".")
    scores = np.array([row["score"] for row in rows if "score" in row])
    shown.section("Scores")
    shown.chart(charts.histogram({"these": scores, "good ones held back": detector.good.numpy()}, xlabel="score"))
    if worst:
        shown.section("The worst", WORST)
        shown.side_by_side([(pair, text) for _, pair, text in worst])
    return shown


def capitalized(text: str) -> str:
    return text[0].upper() + text[1:]


def threshold_in_words(detector: Detector, false_alarms: float | None) -> str:
    """Where the threshold comes from, what it promises, and how well that is known."""
    promised, (low, high), count = (
        detector.fpr_bound(false_alarms),
        detector.fpr_interval(false_alarms),
        len(detector.good),
    )
    known = f"as far as {count} normal items that were not trained on can tell, between {low:.1%} and {high:.1%} (95 %)"
    if promised is None:
        where = "The threshold is where it tells the defects that were shown from normal items best: no rate of false"
        text = f"{where} alarms is promised. {capitalized(known)} of normal items are over it."
    else:
        where = "The threshold comes from normal items alone: over all such calibrations no more than"
        text = f"{where} {promised:.1%} of normal items are called bad; of this one, {known}."
    return f"{text} A score counts standard deviations from what is normal."
