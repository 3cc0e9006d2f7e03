"""detect: which of these are not like the good ones, and where."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus import store
from isthmus.autoencoder import CHUNK, Autoencoder
from isthmus.data import Data, open_data, read_picture, resize
from isthmus.data.base import ends_of
from isthmus.detection import FILE, Detector, Finding, Settings, doubts
from isthmus.detection.settings import a_share
from isthmus.errors import BadInput, Note
from isthmus.files import atomic, claim, whole_folder
from isthmus.report import Page, charts
from isthmus.tasks.heatmaps import Heatmaps, Saved, Worst
from isthmus.tasks.inputs import RunOrModel, as_model, chunks, name_of, open_for, tell
from isthmus.tasks.odd_columns import OddColumns

COLUMNS = ("file", "score", "threshold", "verdict", "ratio", "why")
WORST = (
    "To the left the picture, to the right what exceeds normal variation in color. A blue line goes around what is "
    "over the threshold of the map, which normal pictures stay below."
)
NONE = "isthmus train detect makes a run that has one"
Row = dict[str, Any]


def calibrate(
    model: Autoencoder, data: Data, parts: dict[str, np.ndarray], *, steps: int = 0, **given: Any
) -> Detector:
    """The detector of a model for what its training data calls good; kept in the run folder where there is one.

    Thresholds come from the validation part, which was not learned from, or from the folder that the option `good`
    names, and from known defects where `bad` names any; how often they are wrong, which goes into metrics.json, from
    the test part, which was not even looked at. steps: of the training, where they are known. given: any of Settings,
    roi, good or bad, over the recipe's options.
    """
    options = model.about.get("options", {}) | given
    settings = Settings.of(model, **{one.name: options[one.name] for one in fields(Settings) if one.name in options})
    roi = looked_at(options["roi"], model) if options.get("roi") else None
    rows = next((parts[name] for name in ("validation", "test") if len(parts.get(name, ()))), np.empty(0, np.int64))
    held = shown(options["good"], model) if options.get("good") else Batches(data, rows)
    detector = Detector.fit(model, Batches(data, parts["train"]), held, settings, roi)
    detector.steps = (steps, int(model.about.get("training", {}).get("least_steps") or 0) if steps else 0)
    model.detector = detector
    by: dict[str, Any] = {"threshold_by": "false alarms"}
    if options.get("bad"):
        score = torch.cat([detector(model, x).score for x in shown(options["bad"], model)])
        by = {"threshold_by": "f1", "f1_on_shown": detector.draw_line(score), "from_bad": len(score)}
    doubted(detector)
    if model.path is not None:
        detector.save(model.path)
        path = model.path / store.METRICS
        known = store.read_json(path) if path.is_file() else {}
        facts = told(model, detector, data, parts.get("test", np.empty(0, int)))
        store.write_json(path, known | {"detector": facts | by})
    return detector


def told(model: Autoencoder, detector: Detector, data: Data, test: np.ndarray) -> dict[str, Any]:
    """The threshold, what it promises, from how many good ones, and how many unseen good ones are over it."""
    facts: dict[str, Any] = {
        "threshold": detector.threshold(),
        "false_alarms_promised": detector.promised(),
        "false_alarms_between": list(detector.between()),
        "from_good": len(detector.good),
        **({"steps": detector.steps[0], "steps_it_takes": detector.steps[1]} if detector.steps[1] else {}),
    }
    if len(test):
        over_it = torch.cat([detector(model, x).bad for x in Batches(data, test)])
        facts |= {"false_alarm_rate": float(over_it.double().mean()), "measured_on_good": len(test)}
    return facts


def doubted(detector: Detector, false_alarms: float | None = None) -> None:
    for doubt in doubts(detector, false_alarms):
        warnings.warn(doubt, Note, stacklevel=3)


@dataclass(frozen=True)
class Batches:
    """The items of these rows, N×shape in [0, 1], a bounded number at a time, as often as they are asked for."""

    data: Data
    rows: np.ndarray

    def __iter__(self) -> Iterator[Tensor]:
        for first in range(0, len(self.rows), CHUNK):
            yield self.data.floats(self.rows[first : first + CHUNK])


def shown(source: str, model: Autoencoder) -> Batches:
    """All items of a folder that somebody has shown, as the model takes them."""
    data = open_data(source, like=model.read_as())
    tell(data)
    return Batches(data, np.arange(len(data)))


def looked_at(roi: str, model: Autoencoder) -> Tensor:
    """H×W: 1 where the picture `roi` is white, in the size of the model's. Raises BadInput for what is none."""
    if len(model.shape) != 3:
        raise BadInput(f"roi={roi}: of pictures a part can be looked at, not of rows")
    mask = read_picture(Path(roi))[:3].mean(0, keepdims=True)
    mask = resize(mask, model.shape[1], model.shape[2], whole=True)[0] > 127
    if not mask.any():
        raise BadInput(f"{roi}: nothing is white, so nothing would be looked at")
    return torch.from_numpy(mask).float()


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

    The score counts standard deviations from what is normal; ratio is the error as times the average of good ones.
    out: a folder of scores.csv, heatmaps/ (for pictures) and index.html. false_alarms: the share of good ones that may
    be called bad, other than the run's own. device: as evaluate has it. save_masks: also masks/ (PNG of 0 and 255) and
    boxes.json (COCO) of what is found. save_maps: also maps/, npy or tif, float32; all at the size of the files. Raises
    BadInput for a run without a detector, and data it does not take.
    """
    model = as_model(run, device)
    if model.detector is None:
        stopped = model.about.get("recipe") == "detect"
        hint = "its training was not finished; the same command with --resume does that" if stopped else NONE
        raise BadInput(f"{model.path or 'this model'}: has no {FILE}: {hint}")
    if false_alarms is not None:
        a_share(false_alarms)
    saved = Saved(save_masks, save_maps)
    if saved != Saved() and (out is None or len(model.shape) != 3):
        raise BadInput("masks and maps are saved of pictures, into the folder that out names")
    if out is not None:
        claim(out, force=force)
    doubted(model.detector, false_alarms)
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
        whole_folder(out, force=force) as folder,
        Heatmaps(model.detector, folder, data, stretched, white, saved) as drawn,
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
    assert model.detector is not None
    for place, items in chunks(data):
        names = iter(data.names[place])
        for x in model.detector.cut(model, items):  # not all at once, so that heatmaps are drawn meanwhile
            yield x, list(islice(names, len(x))), model.detector(model, x, false_alarms)


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
    return f"{row['file']}: {row['verdict']}, error {row['ratio']:.1f}× the normal average, score {row['score']:.2f}"


def page(
    model: Autoencoder,
    data: Data,
    rows: list[Row],
    worst: list[Worst],
    false_alarms: float | None,
) -> Page:
    """One page to look through: how many, where the line was drawn and why there, and the worst of them."""
    detector = model.detector
    assert detector is not None
    bad = sum(row["verdict"] == "bad" for row in rows)
    shown = Page(f"{name_of(data)}: {bad} of {len(data)} are not like the good ones")
    line = next((row["threshold"] for row in rows if "threshold" in row), None)
    shown.figures({"bad": bad, "good": len(data) - bad, "unreadable": len(data.skipped), "threshold": line})
    promised, (low, high) = detector.promised(false_alarms), detector.between(false_alarms)
    by_line = false_alarms is None and detector.line is not None
    where = "where it tells known defects from good ones best" if by_line else "by good ones alone"
    for doubt in doubts(detector, false_alarms):
        shown.text(doubt[0].upper() + doubt[1:] + ".")
    shown.text(
        f"The line is drawn {where}: it promises that no more than {promised:.1%} of good ones are called bad; as far "
        f"as the {len(detector.good)} that were not learned from can tell, between {low:.1%} and "
        f"{high:.1%} are (95 %). A score counts standard deviations from what is normal for them."
    )
    scores = np.array([row["score"] for row in rows if "score" in row])
    shown.section("Scores")
    shown.chart(charts.histogram({"these": scores, "good ones held back": detector.good.numpy()}, xlabel="score"))
    if worst:
        shown.section("The worst", WORST)
        shown.side_by_side([(pair, text) for _, pair, text in worst])
    return shown
