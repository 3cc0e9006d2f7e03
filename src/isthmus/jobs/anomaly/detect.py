"""detect: score items, compare with the threshold, and write scores, heatmaps and a page."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data
from isthmus.errors import BadInput
from isthmus.fields import ends_of
from isthmus.files import atomic, atomic_folder, check_output
from isthmus.inference.inputs import RunOrModel, chunks, name_of, open_for
from isthmus.jobs import model_for
from isthmus.jobs.anomaly.detector import Detector, require_detector
from isthmus.jobs.anomaly.finding import Finding
from isthmus.jobs.anomaly.heatmaps import Heatmaps, SavedOutputs, Worst
from isthmus.jobs.anomaly.odd_columns import OddColumns
from isthmus.jobs.anomaly.reliability import calibration_warnings, threshold_in_words, warn_of_calibration
from isthmus.jobs.anomaly.settings import checked_rate
from isthmus.report import Page, charts

COLUMNS = ("file", "score", "threshold", "verdict", "ratio", "why")
WORST = (
    "Left: the image. Right: deviations beyond the normal variation, in color. A blue line surrounds the regions above "
    "the threshold of the map, below which normal images stay."
)
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
    """Detect anomalous items. Returns a row for each, in the order of the data: file, score, threshold, verdict (good,
    bad or unreadable) and ratio; for a table also odd, the columns with the largest shares of
    the error, and id, if a column names the rows.

    The score is in standard deviations of normal items; ratio is the scored quantity (an error or a distance) as a
    multiple of its normal value, and increases with the score.
    out: folder for scores.csv, heatmaps/ (images only) and index.html. false_alarms: accepted false-positive rate,
    instead of the run's own. device: as for evaluate. save_masks: also masks/ (PNG of 0 and 255) and boxes.json (COCO)
    of anomalous regions. save_maps: also maps/, npy or tif, float32; all at the size of the files. Raises BadInput for
    a run without a detector and for data that the model does not accept.
    """
    model = model_for("detect", run, device)
    detector = require_detector(model)
    if false_alarms is not None:
        checked_rate(false_alarms)
    outputs = SavedOutputs(save_masks, save_maps)
    if outputs != SavedOutputs() and (out is None or len(model.shape) != 3):
        raise BadInput("save_masks and save_maps need images, and a folder named by out")
    if out is not None:
        check_output(out, force=force)
    warn_of_calibration(detector, false_alarms)
    data = open_for(model, source, split=split, first=first)
    rows, odd_columns = list[Row](), OddColumns.of(model) if len(model.shape) == 1 else None
    with ExitStack() as stack:
        heatmaps = None
        if out is not None:
            folder = stack.enter_context(atomic_folder(out, force=force))
            stretched = bool(model.about.get("input", {}).get("whole"))
            heatmaps = stack.enter_context(Heatmaps(detector, folder, data, stretched, white_of(data), outputs))
        for x, names, finding in findings(model, detector, data, false_alarms):
            rows += (new_rows := rows_of(names, finding))
            if odd_columns is not None:
                odd_columns.add(x, finding.map, new_rows)
            if heatmaps is not None and x.dim() == 4:
                heatmaps.add(x, finding, [(row["score"], caption(row)) for row in new_rows])
        rows = with_ids(rows, data)
        if heatmaps is None:
            return rows
        worst = heatmaps.close()
        rows += [{"file": name, "verdict": "unreadable", "why": why} for name, why in data.skipped]
        write_rows(folder / "scores.csv", rows)
        report = page(detector, data, rows, worst, false_alarms)
        if odd_columns is not None:
            odd_columns.show(report)
        report.write(folder / "index.html")
    return rows


def white_of(data: Data) -> float:
    """The pixel value of white in 16-bit files: that of the run if it was trained on such files."""
    high = ends_of(data.range)[1]
    return high if high > 255 else 65535.0


def findings(
    model: Autoencoder, detector: Detector, data: Data, false_alarms: float | None
) -> Iterator[tuple[Tensor, list[str], Finding]]:
    for part, items in chunks(data):
        names = iter(data.names[part])
        for x in detector.split(model, items):  # in parts, so that heatmaps are drawn at the same time
            yield x, list(islice(names, len(x))), detector(model, x, false_alarms)


def rows_of(names: list[str], finding: Finding) -> list[Row]:
    verdicts = ["bad" if anomalous else "good" for anomalous in finding.bad]
    columns = (names, finding.score.tolist(), [finding.threshold] * len(names), verdicts, finding.ratio.tolist())
    return [dict(zip(COLUMNS, values, strict=False)) for values in zip(*columns, strict=True)]


def with_ids(rows: list[Row], data: Data) -> list[Row]:
    """The rows, with the names from the ID column of a table, if it has one."""
    return rows if data.ids is None else [row | {"id": str(id)} for row, id in zip(rows, data.ids, strict=True)]


def write_rows(path: Path, rows: list[Row]) -> None:
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        names = [*COLUMNS, *(name for name in ("id", "odd") if any(name in row for row in rows))]
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)


def caption(row: Row) -> str:
    return f"{row['file']}: {row['verdict']}, score {row['score']:.2f}, {row['ratio']:.3g}× the normal"


def page(detector: Detector, data: Data, rows: list[Row], worst: list[Worst], false_alarms: float | None) -> Page:
    """The page of a detection: counts, the threshold and its calibration, a histogram of scores, the worst items."""
    anomalous = sum(row["verdict"] == "bad" for row in rows)
    report = Page(f"{name_of(data)}: {anomalous} of {len(data)} items are anomalous")
    threshold = next((row["threshold"] for row in rows if "threshold" in row), None)
    counts = {"anomalous": anomalous, "normal": len(data) - anomalous, "unreadable": len(data.skipped)}
    report.figures({**counts, "threshold": threshold})
    for warning in calibration_warnings(detector, false_alarms):
        report.text(capitalized(warning) + ".")
    report.text(threshold_in_words(detector, false_alarms))
    if summary := detector.summary():
        report.text(capitalized(summary) + ".")
    scores = np.array([row["score"] for row in rows if "score" in row])
    report.section("Scores")
    series = {"these items": scores, "calibration set (normal)": detector.good.numpy()}
    report.chart(charts.histogram(series, xlabel="score"))
    if worst:
        report.section("The worst", WORST)
        report.side_by_side([(pair, text) for _, pair, text in worst])
    return report


def capitalized(text: str) -> str:
    return text[0].upper() + text[1:]
