"""The figures of a detector: on normal and anomalous pictures, over all and a kind of defect at a time; without labels
what its scores are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus import metrics
from isthmus.autoencoder import Autoencoder
from isthmus.data import Data, prepared, resize
from isthmus.data.folder_layout import UNLABELED, AnomalyFolders, LabeledImages
from isthmus.data.mask_files import read_mask
from isthmus.errors import BadInput, Note
from isthmus.inference.inputs import is_training_data, name_of, open_for, parts_of
from isthmus.jobs.anomaly.calibrate import Batches, doubted
from isthmus.jobs.anomaly.detector_part import detector_of

AT_ONCE = 32  # pictures that are read and looked at together
CALIBRATED = (
    "f1 and false_alarm_rate are not measured: the threshold was calibrated on these normal items; others, in a test "
    "part or in test/good, would measure them"
)


def evaluate_detector(model: Autoencoder, folder: Path, found: AnomalyFolders) -> dict[str, Any]:
    """image_auroc, image_ap, f1, threshold, false_alarm_rate, per_kind; pixel_auroc and aupro where there are masks.

    Good are those set apart as such (test/good), or else the part of the good folder that nothing was learned from;
    f1 and false_alarm_rate are those of the run's own threshold, and are left out where that was calibrated on the same
    normal items. Unreadable files are named and left out. Raises BadInput where either the good or the bad are missing.
    """
    found = unshown(labeled(found), model)
    detector = detector_of(model)
    assert detector is not None
    doubted(detector)
    scores: list[float] = []
    kinds: list[str] = []
    maps: list[np.ndarray] = []
    masks: list[np.ndarray | None] = []
    for x, ones in read(model, found.judged):
        finding = detector(model, x)
        scores += finding.score.tolist()
        kinds += [one.kind for one in ones]
        if x.dim() == 4:
            maps += list(finding.map.numpy())
            masks += [mask_for(one, model) for one in ones]
    calibrated = False
    if "good" not in kinds:
        held, calibrated = held_back(model, found)
        for x in held:
            scores += (finding := detector(model, x)).score.tolist()
            kinds += ["good"] * len(x)
            if x.dim() == 4:
                maps += list(finding.map.numpy())
                masks += [np.zeros(model.shape[1:], bool)] * len(x)
    score, kind = np.array(scores), np.array(kinds)
    bad = kind != "good"
    if not bad.any() or bad.all():
        raise BadInput(f"{folder}: {'nothing bad' if not bad.any() else 'nothing good'} to tell from the other")
    figures = told_apart(score, bad, detector.threshold(), calibrated)
    if any(mask is not None and mask.any() for mask in masks):
        where = [(seen, mask) for seen, mask in zip(maps, masks, strict=True) if mask is not None]
        seen, truth = [one for one, _ in where], [mask for _, mask in where]
        figures["pixel_auroc"] = metrics.auroc(np.concatenate([one.ravel() for one in seen]), np.stack(truth).ravel())
        figures["aupro"] = metrics.aupro(seen, truth)
    good = kind == "good"
    figures["per_kind"] = {
        one: metrics.auroc(score[good | (kind == one)], bad[good | (kind == one)])
        for one in found.kinds
        if (kind == one).any()
    }
    for name, value in [("all of them", figures["image_auroc"]), *figures["per_kind"].items()]:
        if value < 0.5:
            warnings.warn(
                f"{name}: AUROC {value:.2f} is below a half, so the bad are easier to rebuild than the good, as smooth "
                "or dark ones are; another score (ssim, knn) or a smaller code may see them",
                Note,
                stacklevel=2,
            )
    return figures


def told_apart(score: np.ndarray, bad: np.ndarray, threshold: float, calibrated: bool = False) -> dict[str, Any]:
    """How well a score tells anomalous items from normal ones, and how well the threshold does.

    calibrated: the normal items are those that the threshold comes from; then no figure of it is measured, and a note
    says so.
    """
    over = score > threshold
    hits = float((over & bad).sum())
    if calibrated:
        warnings.warn(CALIBRATED, Note, stacklevel=3)
    measured = {
        "f1": 2 * hits / max(1.0, float(over.sum() + bad.sum())),
        "false_alarm_rate": float(over[~bad].mean()),
    }
    return {
        "image_auroc": metrics.auroc(score, bad),
        "image_ap": metrics.average_precision(score, bad),
        "threshold": threshold,
        **({} if calibrated else measured),
        "good": int((~bad).sum()),
        "bad": int(bad.sum()),
    }


def unlabeled(model: Autoencoder, data: Data, part: str) -> dict[str, Any]:
    """threshold, the median and the highest score, and over_threshold, the share above it. That share is
    false_alarm_rate where the data are the test part of the training data: normal items that neither the model was
    trained on nor the threshold calibrated on.

    A note says that nothing tells normal from anomalous.
    """
    detector = detector_of(model)
    assert detector is not None
    doubted(detector)
    batches = Batches(data, np.arange(len(data)))
    score = np.concatenate([detector(model, x).score.numpy() for x in batches]).astype(float)
    threshold, normal = detector.threshold(), is_training_data(data, model)
    unseen = normal and part == "test" and detector.calibrated_on != "test"
    what = "all are taken as normal, as the training data are" if normal else "so there is no AUROC"
    if normal and not unseen:
        what += "; among them are items of the training or the calibration, so no rate of false alarms is measured"
    warnings.warn(f"{name_of(data)}: no labels tell normal from anomalous items: {what}", Note, stacklevel=3)
    return {
        "threshold": threshold,
        "score_median": float(np.median(score)),
        "score_highest": float(score.max()),
        "false_alarm_rate" if unseen else "over_threshold": float((score > threshold).mean()),
    }


def labeled(found: AnomalyFolders) -> AnomalyFolders:
    """Without the pictures of which nothing says whether they are normal; a note counts them."""
    left = [one for one in found.judged if one.kind != UNLABELED]
    if count := len(found.judged) - len(left):
        warnings.warn(f"{found.top}: {count} pictures without a label are left out", Note, stacklevel=3)
    return replace(found, judged=left)


def unshown(found: AnomalyFolders, model: Autoencoder) -> AnomalyFolders:
    """Without the good and bad ones that the threshold was drawn by, which would flatter it."""
    options = model.about.get("options", {})
    shown = [Path(options[key]).resolve() for key in ("good", "bad") if options.get(key)]
    left = [one for one in found.judged if not any(one.path.resolve().is_relative_to(folder) for folder in shown)]
    if count := len(found.judged) - len(left):
        warnings.warn(f"{count} that the threshold was drawn by are left out", Note, stacklevel=3)
    return replace(found, judged=left)


def read(model: Autoencoder, ones: list[LabeledImages]) -> Iterator[tuple[Tensor, list[LabeledImages]]]:
    """The pictures as the model takes them, N×shape in [0, 1], some at a time; what cannot be read is named."""
    like, broken = model.read_as(), []
    for first in range(0, len(ones), AT_ONCE):
        pending, kept = [], []
        for one in ones[first : first + AT_ONCE]:
            try:
                pending.append(prepared(one.path, like))
                kept.append(one)
            except BadInput as error:
                broken.append(str(error))
        if pending:
            yield torch.cat(pending), kept  # type: ignore[arg-type]
    if broken:
        warnings.warn(f"{len(broken)} unreadable files left out: {'; '.join(broken[:3])}", Note, stacklevel=3)


def mask_for(one: LabeledImages, model: Autoencoder) -> np.ndarray | None:
    """H×W bool at the size of the model's pictures, cut as they are; of a good one nothing is defective."""
    if not one.masks:
        return np.zeros(model.shape[1:], bool) if one.kind == "good" else None
    mask = read_mask(one.masks)[None].astype(np.uint8) * 255
    return np.asarray(resize(mask, model.shape[1], model.shape[2], stretch=True)[0] > 127)


def held_back(model: Autoencoder, found: AnomalyFolders) -> tuple[Batches, bool]:
    """The normal pictures that the model has not learned from: all, where it was trained on another folder; and whether
    the threshold was calibrated on them."""
    data = open_for(model, found.open(like=model.about["input"]))
    if not is_training_data(data, model):
        return Batches(data, np.arange(len(data))), False
    parts = parts_of(data, model)
    name = next((name for name in ("test", "validation") if len(parts.get(name, ()))), "")
    rows = parts[name] if name else np.arange(0)
    detector = detector_of(model)
    return Batches(data, rows), bool(name) and detector is not None and detector.calibrated_on == name
