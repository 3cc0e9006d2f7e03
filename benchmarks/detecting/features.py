"""Magnetic tiles in feature space: each kind of model, on features from elsewhere and on our own."""

from __future__ import annotations

import shutil
import time
import warnings
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

import isthmus
from detecting.mobilenet import WEIGHTS, mobilenet
from detecting.peers import PEERS, TIMED, has_anomalib, milliseconds, peer, versions
from detecting.tiles import evaluated, pictures, split_folders
from isthmus.jobs.anomaly.feature_models import FEATURE_KINDS
from stored_rows import RUNS, Part, Row

TOP, RUN = RUNS / "anomaly-features-data", RUNS / "anomaly-features"
SPLITS = (None, 0)  # by number, so that the test is of other tiles; and a random one
BACKBONES = ("MobileNetV2 of ImageNet", "our own")
REDRAWS, RATES, THIRD = 10, (0.01, 0.05), 100
EPOCHS = 20  # a promise holds for any network, so a short training measures it as well


def backbone_of(name: str) -> Any:
    return mobilenet() if name == BACKBONES[0] else "auto"


def trained(data: Path, good: Path, features: Any, kind: str, run: Path, **keys: Any) -> Any:
    """Learned from the normal images of `data`, calibrated on those of the folder `good`."""
    shutil.rmtree(run, ignore_errors=True)
    how: dict[str, Any] = {"good": str(good), "validation": 0.0, "test": 0.0, "quiet": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return isthmus.train("detect", data, out=run, features=features, kind=kind, **how | keys).model


def features_of_tiles(tiles: Path) -> None:
    part = Part("anomaly", "features")
    for backbone in BACKBONES if WEIGHTS.exists() else BACKBONES[1:]:
        peers = tuple(PEERS) if backbone == BACKBONES[0] and has_anomalib() else ()
        for kind in (*FEATURE_KINDS, *peers):
            for seed in SPLITS:

                def make(backbone: str = backbone, kind: str = kind, seed: int | None = seed) -> Row:
                    split_folders(tiles, TOP, seed)
                    if kind in PEERS:
                        return peer(kind, TOP)
                    began, used = time.perf_counter(), time.process_time()
                    model = trained(TOP, TOP / "validation" / "good", backbone_of(backbone), kind, RUN)
                    spent = {"training_seconds": time.perf_counter() - began}
                    spent |= {"training_cpu_seconds": time.process_time() - used}
                    x = torch.from_numpy(pictures(TOP / "test" / "blowhole")[:TIMED, None]).float()
                    spent |= milliseconds(partial(model.detect, x, unit=True), len(x))
                    own = {} if isinstance(backbone_of(backbone), str) else {"features": backbone_of(backbone)}
                    return evaluated(TOP, isthmus.load(RUN, **own)) | spent

                part.row(make, backbone=backbone, kind=kind, split=named(seed))
    part.end(
        "Magnetic tiles, made 256×256: 160 normal ones to learn from, 40 to calibrate, 100 and 392 defects to judge; "
        "by number, so that the normal test tiles are other pieces, and in a random order, with images of one tile in "
        "several parts, as in published figures. MobileNetV2's layers 6 and 13; `detect` with features and its "
        "defaults. Defaults of models of features were chosen on half of these defects (every second of a kind) with "
        "the 40 tiles that calibrate, and on rendered parts (development logo 7). anomalib's models: its defaults but "
        "for PatchCore's coreset of 1 % instead of 10 %; the same layers and the same tiles to learn from; no "
        "threshold to calibrate. load: of the machine when the row began",
        **({"peers": versions()} if has_anomalib() else {}),
    )


def alarms_of_features(tiles: Path) -> None:
    """The rate of false alarms on unseen normal tiles, for a promise of 1 % and of 5 %."""
    part, free = Part("anomaly", "feature-alarms"), sorted((tiles / "MT_Free" / "Imgs").glob("*.jpg"))
    assert len(free) == 3 * THIRD
    backbone = BACKBONES[0] if WEIGHTS.exists() else BACKBONES[1]
    for kind in ("gaussian", "feature-autoencoder"):
        for seed in (*range(REDRAWS), None):
            part.row(lambda kind=kind, seed=seed: rates(tiles, kind, seed, backbone), kind=kind, split=named(seed))  # type: ignore[misc]
    rows: list[Row] = []
    for kind in ("feature-autoencoder", "gaussian"):
        drawn = [row for row in part.rows if row["kind"] == kind and row["split"] != "by number"]
        row: Row = {"kind": kind, "split": f"{REDRAWS} random splits"}
        for rate in RATES:
            values = [each[f"rate_{rate}"] for each in drawn]
            row |= {
                f"rate_{rate}": fmean(values),
                f"standard_error_{rate}": float(np.std(values, ddof=1)) / REDRAWS**0.5,
            }
        rows.append(row)
    part.end(
        f"Normal magnetic tiles: {THIRD} to learn from, {THIRD - 1} to calibrate, {THIRD} unseen ones judged; "
        f"{backbone}, the autoencoder for {EPOCHS} epochs. rate_R: the share of unseen tiles above the threshold for a "
        "promised rate R",
        [*rows, *part.rows],
    )


def named(seed: int | None) -> str:
    return "by number" if seed is None else f"random {seed}"


def rates(tiles: Path, kind: str, seed: int | None, backbone: str) -> Row:
    """Trained on the first third, calibrated on the second but one, judged on the third."""
    good = sorted((tiles / "MT_Free" / "Imgs").glob("*.jpg"), key=lambda path: int(path.stem.rsplit("_", 1)[1]))
    order = np.arange(len(good)) if seed is None else np.random.default_rng(seed).permutation(len(good))
    top = RUNS / "anomaly-feature-alarms-data"
    shutil.rmtree(top, ignore_errors=True)
    for place, index in enumerate(order[: 3 * THIRD]):
        part = ("train", "validation", "test")[place // THIRD]
        (top / part / "good").mkdir(parents=True, exist_ok=True)
        if place != THIRD:  # 99 to calibrate: the least that can promise 1 %
            shutil.copy(good[index], top / part / "good" / good[index].name)
    run = RUNS / "anomaly-feature-alarms"
    short = {"epochs": EPOCHS} if kind == "feature-autoencoder" else {}
    model = trained(top / "train" / "good", top / "validation" / "good", backbone_of(backbone), kind, run, **short)
    seen = torch.from_numpy(pictures(top / "test" / "good")[:, None]).float()
    return {
        f"rate_{rate}": float(model.detect(seen, unit=True, false_alarms=rate).bad.double().mean()) for rate in RATES
    }
