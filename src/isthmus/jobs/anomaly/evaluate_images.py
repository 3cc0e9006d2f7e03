"""Metrics of a detector on normal and anomalous images, overall and for each kind of defect; scores without labels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
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
from isthmus.inference.inputs import first_of, is_training_data, name_of, open_for, parts_of, skipped_files
from isthmus.jobs.anomaly.calibrate import Batches
from isthmus.jobs.anomaly.detector import Detector
from isthmus.jobs.anomaly.judged import Judged
from isthmus.jobs.anomaly.reliability import warn_of_calibration

AT_ONCE = 32  # images read and scored together
CALIBRATED = (
    "f1 and false_alarm_rate are not measured: the threshold was calibrated on these normal items; normal items in a "
    "test split or in test/good would measure them"
)


def evaluate_detector(model: Autoencoder, detector: Detector, folder: Path, layout: AnomalyFolders) -> dict[str, Any]:
    """image_auroc, image_ap, f1, threshold, false_alarm_rate, per_kind; pixel_auroc and aupro where there are masks; of
    several products also per_product and the means over products.

    Normal images are those of test/good, or else the images of the normal folder that were not trained on. f1 and
    false_alarm_rate are measured at the run's threshold, and left out if it was calibrated on the same normal images.
    Unreadable files are named and left out. Raises BadInput without normal or without anomalous images.
    """
    layout = without_calibration_items(with_labels(layout), model)
    warn_of_calibration(detector)
    judged, skipped = Judged(), list[tuple[str, str]]()
    for x, images in read(model, layout.judged, skipped):
        finding, masks = detector(model, x), [mask_for(image, model) for image in images]
        judged.add(finding, [one.kind for one in images], [layout.product_of(one.path) for one in images], masks)
    calibrated = False
    if lacking := [product for product in layout.products or ("",) if not judged.has_normal(product)]:
        normal, products, calibrated = held_back(model, detector, layout, lacking)
        for x in normal:
            empty: list[np.ndarray | None] = [np.zeros(model.shape[1:], bool)] * len(x)
            judged.add(detector(model, x), ["good"] * len(x), [next(products) for _ in x], empty)
    anomalous = judged.anomalous
    if not anomalous.any() or anomalous.all():
        missing = "normal" if anomalous.all() else "anomalous"
        raise BadInput(f"{folder}: no {missing} images, so nothing can be measured")
    figures = separation(np.array(judged.scores), anomalous, detector.threshold(), calibrated)
    figures |= judged.located() | judged.per_product() | {"per_kind": judged.per_kind()}
    of_products = {name: own["image_auroc"] for name, own in figures.get("per_product", {}).items()}
    for name, value in {"all images": figures["image_auroc"], **of_products, **figures["per_kind"]}.items():
        if value < 0.5:
            warnings.warn(
                f"{name}: AUROC {value:.2f} is below 0.5: anomalous images are easier to reconstruct than normal ones, "
                f"for instance because they are smooth or dark; {advice_for(model)}",
                Note,
                stacklevel=2,
            )
    return figures | skipped_files(skipped)


def advice_for(model: Autoencoder) -> str:
    """Options that the training of this model accepts, to try if it does not detect anomalies."""
    if model.has_skips:
        return "train longer, or try --set kind=denoising or kind=inpainting"
    return "try another --set score (ssim, knn) or a smaller code"


def separation(score: np.ndarray, anomalous: np.ndarray, threshold: float, calibrated: bool = False) -> dict[str, Any]:
    """Metrics of a score, and of its threshold, on anomalous and normal items.

    calibrated: the normal items are the calibration set; then the threshold is not measured, and a note says so.
    """
    above = score > threshold
    true_positives = float((above & anomalous).sum())
    if calibrated:
        warnings.warn(CALIBRATED, Note, stacklevel=3)
    at_threshold = {
        "f1": 2 * true_positives / max(1.0, float(above.sum() + anomalous.sum())),
        "false_alarm_rate": float(above[~anomalous].mean()),
    }
    return {
        "image_auroc": metrics.auroc(score, anomalous),
        "image_ap": metrics.average_precision(score, anomalous),
        "threshold": threshold,
        **({} if calibrated else at_threshold),
        "good": int((~anomalous).sum()),
        "bad": int(anomalous.sum()),
    }


def unlabeled(model: Autoencoder, detector: Detector, data: Data, part: str) -> dict[str, Any]:
    """The threshold, the median and highest score, and over_threshold, the share of items above the threshold.

    On the test split of the training data (normal items that were neither trained nor calibrated on) that share is
    false_alarm_rate. A note says that there are no labels.
    """
    warn_of_calibration(detector)
    batches = Batches(data, np.arange(len(data)))
    score = np.concatenate([detector(model, x).score.numpy() for x in batches]).astype(float)
    threshold, normal = detector.threshold(), is_training_data(data, model)
    unseen = normal and part == "test" and detector.calibrated_on != "test"
    meaning = "all are taken as normal, like the training data" if normal else "no AUROC is measured"
    if normal and not unseen:
        meaning += "; they include items of the training or calibration set, so no false-positive rate is measured"
    warnings.warn(f"{name_of(data)}: no labels of normal and anomalous items: {meaning}", Note, stacklevel=3)
    return {
        "threshold": threshold,
        "score_median": float(np.median(score)),
        "score_highest": float(score.max()),
        "false_alarm_rate" if unseen else "over_threshold": float((score > threshold).mean()),
    }


def with_labels(layout: AnomalyFolders) -> AnomalyFolders:
    """The layout without unlabeled images; a note gives their number."""
    kept = [image for image in layout.judged if image.kind != UNLABELED]
    if count := len(layout.judged) - len(kept):
        warnings.warn(f"{layout.top}: {count} images without a label are left out", Note, stacklevel=3)
    return replace(layout, judged=kept)


def without_calibration_items(layout: AnomalyFolders, model: Autoencoder) -> AnomalyFolders:
    """The layout without the images that the threshold was calibrated on, which would bias the metrics."""
    options = model.about.get("options", {})
    folders = [Path(options[key]).resolve() for key in ("good", "bad") if options.get(key)]
    kept = [one for one in layout.judged if not any(one.path.resolve().is_relative_to(folder) for folder in folders)]
    if count := len(layout.judged) - len(kept):
        warnings.warn(f"{count} items that the threshold was calibrated on are left out", Note, stacklevel=3)
    return replace(layout, judged=kept)


def read(
    model: Autoencoder, images: list[LabeledImages], skipped: list[tuple[str, str]]
) -> Iterator[tuple[Tensor, list[LabeledImages]]]:
    """Yield batches N×shape in [0, 1] with their images; unreadable files are added to `skipped`, and a note names
    three of them."""
    like = model.read_as()
    for first in range(0, len(images), AT_ONCE):
        pending, kept = [], []
        for image in images[first : first + AT_ONCE]:
            try:
                pending.append(prepared(image.path, like))
                kept.append(image)
            except BadInput as error:
                skipped.append((str(image.path), str(error).removeprefix(f"{image.path}: ")))
        if pending:
            yield torch.cat(pending), kept  # type: ignore[arg-type]
    if skipped:
        warnings.warn(f"{len(skipped)} unreadable files left out: {first_of(skipped)}", Note, stacklevel=3)


def mask_for(image: LabeledImages, model: Autoencoder) -> np.ndarray | None:
    """The ground truth H×W bool at the model's size; all False for a normal image, None if there is no mask."""
    if not image.masks:
        return np.zeros(model.shape[1:], bool) if image.kind == "good" else None
    mask = read_mask(image.masks)[None].astype(np.uint8) * 255
    return np.asarray(resize(mask, model.shape[1], model.shape[2], stretch=True)[0] > 127)


def held_back(
    model: Autoencoder, detector: Detector, layout: AnomalyFolders, products: Sequence[str]
) -> tuple[Batches, Iterator[str], bool]:
    """The normal images of some products that the model was not trained on (of another folder, all of them), the
    product of each, and whether the threshold was calibrated on them."""
    data = open_for(model, layout.open(like=model.about["input"]))
    rows, name = np.arange(len(data)), ""
    if is_training_data(data, model):
        parts = parts_of(data, model)
        name = next((name for name in ("test", "validation") if len(parts.get(name, ()))), "")
        rows = parts[name] if name else rows[:0]
    of = [layout.product_of(layout.good / data.names[row]) for row in rows.tolist()]
    kept = [row for row, product in enumerate(of) if product in products]
    return Batches(data, rows[kept]), iter(of[row] for row in kept), bool(name) and detector.calibrated_on == name
