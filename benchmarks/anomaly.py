"""The figures of detection; plain baselines run in the same run.

    python benchmarks/anomaly.py [choice | choice-rows | choice-tables | choice-tiles]
                                 [mnist | fashion | ecg | tables | alarms | promise | tiles | speed]
                                 [features | feature-alarms]

Every model is the recipe `detect` with its defaults, unless its row or the protocol says otherwise, trained on normal
items of the official training split; the official test split is evaluated completely. The four choices are how the
defaults for small images, rows, tables and large images were chosen, on the training split only. Each writes
results/anomaly-PART.json. `tiles` keeps its run in runs/, and resumes it.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch

import isthmus
from common import RESULTS, main, write
from detecting.baselines import Score, baselines
from detecting.choice import choice, choice_rows
from detecting.features import alarms_of_features, features_of_tiles
from detecting.parts import parts
from detecting.promise import promise
from detecting.speed import speed
from detecting.tables import choice_tables, tables
from detecting.tiles import POOLS, baseline_rows, of_seed, ours, split_folders, synthesized, trained_run
from isthmus.data import open_data
from isthmus.metrics import auroc, average_precision

SEEDS = (0, 1, 2)
TILE_SEEDS = (0, 1)
DATA = Path(os.environ.get("ISTHMUS_DATA", "data"))
TILES, RUN = Path("runs/anomaly-tiles-data"), Path("runs/anomaly-tiles-repairing")  # relative to where it is run


def learned(good: np.ndarray, seed: int, **keys: Any) -> Any:
    """A detector that has learned from `good`, uint8 N×H×W or float N×D."""
    with tempfile.TemporaryDirectory() as folder:
        return isthmus.train("detect", good, out=Path(folder) / "run", seed=seed, quiet=True, **keys).model


def score_of(model: Any) -> Score:
    return lambda x: np.asarray(model.detect(x).score)


def halves(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(training pictures N×28×28 uint8, their labels, test pictures, their labels)."""
    data = open_data(name)
    assert data.labels is not None
    pictures = data.batch(np.arange(len(data))).numpy()[:, 0]
    train, test = data.parts["train"], data.parts["test"]
    return pictures[train], data.labels[train], pictures[test], data.labels[test]


def one_class(name: str, title: str) -> None:
    """Each of ten classes in turn is what is good."""
    began = time.perf_counter()
    x, y, unseen, truth = halves(name)
    scores: dict[str, list[float]] = {}  # contender -> AUROC of each class, and of each seed where it has one
    means: list[float] = []
    for seed in SEEDS:
        found = []
        for kind in range(10):
            good = x[y == kind]
            value = auroc(score_of(learned(good, seed))(unseen), truth != kind)
            found.append(value)
            scores.setdefault("isthmus detect", []).append(value)
            if seed == SEEDS[0]:
                for label, score in baselines(good).items():
                    scores.setdefault(label, []).append(auroc(score(unseen), truth != kind))
            print(title, seed, kind, {label: round(values[-1], 4) for label, values in scores.items()}, flush=True)
        means.append(fmean(found))
    rows = [
        {"model": label, "mean_auroc": fmean(values), **{str(kind): fmean(values[kind::10]) for kind in range(10)}}
        for label, values in scores.items()
    ]
    rows[0]["sd_of_seeds"] = stdev(means)
    write(
        f"anomaly-{title}",
        f"One class of {name} is good, its official training pictures are learned from; AUROC of the 10,000 test "
        f"pictures, mean of ten classes, of seeds {SEEDS}",
        rows,
        time.perf_counter() - began,
    )


def ecg() -> None:
    """Heart beats: learned from the normal ones of the training file, judged on the test file."""
    began = time.perf_counter()
    good, unseen, bad = beats()
    scores = [score_of(learned(good, seed, smooth=2.0))(unseen) for seed in SEEDS]  # as choice-rows says of a series
    rows: list[dict[str, Any]] = [{"model": "isthmus detect", **figures(scores, bad)}, *beside_beats()]
    write(
        "anomaly-ecg",
        f"ECG5000, official files: {len(good)} normal beats of the training file learned from; all {len(unseen)} of "
        f"the test file judged, {int(bad.sum())} not normal; smooth=2; mean of seeds {SEEDS}",
        rows,
        time.perf_counter() - began,
    )


def beats() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(normal beats of the training file, all beats of the test file, whether each of those is not normal)."""
    train = np.loadtxt(DATA / "ecg5000" / "ECG5000_TRAIN.txt", dtype=np.float32)
    test = np.load(DATA / "ecg5000" / "ECG5000_TEST.npy", allow_pickle=False).astype(np.float32)
    return train[train[:, 0] == 1, 1:], test[:, 1:], test[:, 0] != 1


def beside_beats() -> list[dict[str, Any]]:
    good, unseen, bad = beats()
    least = good.min()  # the baselines divide by the largest
    return [
        {"model": label, **figures([score(unseen - least)], bad)} for label, score in baselines(good - least).items()
    ]


def figures(scores: list[np.ndarray], bad: np.ndarray) -> dict[str, float]:
    return {
        "auroc": fmean(auroc(score, bad) for score in scores),
        "average_precision": fmean(average_precision(score, bad) for score in scores),
    }


def alarms() -> None:
    """MNIST and Fashion-MNIST whole: what the threshold promises on unseen good ones; and one set beside the other."""
    began = time.perf_counter()
    sets = {name: halves(name) for name in ("mnist", "fashion-mnist")}
    rows: list[dict[str, Any]] = []
    for name, (x, _, good, _) in sets.items():
        other = next(pictures for label, (_, _, pictures, _) in sets.items() if label != name)
        model = learned(x, 0, epochs=10, test=0.0)
        scores = {"isthmus detect": score_of(model), **baselines(x[::6])}
        bad = np.repeat([False, True], [len(good), len(other)])
        for label, score in scores.items():
            rows.append({"good": name, "model": label, "auroc": auroc(score(np.concatenate([good, other])), bad)})
        for share in (0.01, 0.05):
            rate = float(torch.as_tensor(model.detect(good, false_alarms=share).bad).double().mean())
            rows.append({"good": name, "model": "isthmus detect", "promised": share, "false_alarm_rate": rate})
    write(
        "anomaly-alarms",
        "Learned from 90 % of the 60,000 training pictures in 10 epochs, thresholds from the others; the 10,000 test "
        "pictures of the same set are good, those of the other set bad; baselines fitted on every sixth",
        rows,
        time.perf_counter() - began,
    )


def tiles(name: str = "tiles", **keys: Any) -> None:
    began = time.perf_counter()
    split_folders(DATA / "magnetic_tile", TILES)
    runs = [ours(TILES, RUN.with_name(f"anomaly-{name}"), seed, **keys) for seed in TILE_SEEDS]
    mean = {key: fmean(run[key] for run in runs) for key in runs[0]}
    each = {"image_auroc_of_seeds": [run["image_auroc"] for run in runs]}
    rows: list[dict[str, Any]] = [{"model": "isthmus detect", **mean, **each}, *baseline_rows(TILES)]
    write(
        f"anomaly-{name}",
        "Magnetic tiles, made 256×256: the first 160 free ones by number are learned from, the next 40 draw the line; "
        f"the last 100 and all 392 defects are judged; {', '.join(keys.values()) or 'defaults'}, bf16-mixed, "
        f"mean of seeds {TILE_SEEDS}. {POOLS}",
        rows,
        time.perf_counter() - began,
    )


def baselines_again() -> None:
    """The rows of the baselines alone, put beside those of ours that results/ has."""
    for name, title in (("mnist", "mnist"), ("fashion-mnist", "fashion")):
        x, y, unseen, truth = halves(name)
        scores: dict[str, list[float]] = {}
        for kind in range(10):
            for label, score in baselines(x[y == kind]).items():
                scores.setdefault(label, []).append(auroc(score(unseen), truth != kind))
            print(title, kind, {label: round(values[-1], 4) for label, values in scores.items()}, flush=True)
        merge_baselines(
            title,
            [{"model": k, "mean_auroc": fmean(v), **{str(n): v[n] for n in range(10)}} for k, v in scores.items()],
        )
    sets = {name: halves(name) for name in ("mnist", "fashion-mnist")}
    rows = []
    for name, other in (("mnist", "fashion-mnist"), ("fashion-mnist", "mnist")):
        both, bad = np.concatenate([sets[name][2], sets[other][2]]), np.repeat([False, True], 10_000)
        rows += [
            {"good": name, "model": label, "auroc": auroc(score(both), bad)}
            for label, score in baselines(sets[name][0][::6]).items()
        ]
    merge_baselines("alarms", rows)
    merge_baselines("ecg", beside_beats())
    split_folders(DATA / "magnetic_tile", TILES)
    merge_baselines("tiles", baseline_rows(TILES))


def merge_baselines(part: str, rows: list[dict[str, Any]]) -> None:
    path = RESULTS / f"anomaly-{part}.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["rows"] = [row for row in record["rows"] if row["model"] == "isthmus detect"] + rows
    record["baselines"] = time.strftime("%Y-%m-%d")
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def choice_tiles() -> None:
    """How the default score of what finds was chosen; nothing of the test part is read."""
    began = time.perf_counter()
    split_folders(DATA / "magnetic_tile", TILES)
    trained_run(TILES, RUN, TILE_SEEDS[0], kind="repairing")
    write(
        "anomaly-choice-tiles",
        "The run of anomaly-tiles-repairing, on the 40 good tiles that draw its line and on five kinds of defect made "
        "of each of them by other ways than it has learned by; means over the kinds",
        synthesized(of_seed(RUN, TILE_SEEDS[0]), TILES),
        time.perf_counter() - began,
    )


PARTS = {
    "choice": choice,
    "choice-rows": choice_rows,
    "choice-tables": choice_tables,
    "choice-tiles": choice_tiles,
    "mnist": lambda: one_class("mnist", "mnist"),
    "fashion": lambda: one_class("fashion-mnist", "fashion"),
    "ecg": ecg,
    "tables": tables,
    "alarms": alarms,
    "promise": promise,
    "tiles": tiles,
    "tiles-repairing": lambda: tiles("tiles-repairing", kind="repairing"),
    "parts": parts,
    "parts-repairing": lambda: parts("parts-repairing", kind="repairing", budget="9m"),
    "features": lambda: features_of_tiles(DATA / "magnetic_tile"),
    "feature-alarms": lambda: alarms_of_features(DATA / "magnetic_tile"),
    "baselines": baselines_again,
    "speed": speed,
}

if __name__ == "__main__":
    main(PARTS, __doc__ or "")
