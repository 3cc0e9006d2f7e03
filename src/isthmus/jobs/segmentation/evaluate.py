"""The metrics of a segmentation: class maps and objects of full images, compared with their masks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from isthmus import store
from isthmus.autoencoder import Autoencoder
from isthmus.data.split import image_of
from isthmus.errors import BadInput, Reading, unknown
from isthmus.inference.inputs import skipped_files, warn_skipped
from isthmus.jobs.segmentation.comparison import add_to, warn_without_labels
from isthmus.jobs.segmentation.labels.open import LabelMap, Labels
from isthmus.jobs.segmentation.segmenter import Segmented, Segmenter
from isthmus.jobs.segmentation.training_data import folder_of, images_of
from isthmus.jobs.segmentation.unpack import as_folders
from isthmus.media.image_file import read_photo
from isthmus.media.photo import Photo
from isthmus.training.progress import Progress


def evaluate(model: Autoencoder, source: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics for Job.evaluate.

    options: truth: the masks; default: those of the training, for its data. split: of the recorded parts; default: test
    or else validation, for the data of the training. Raises BadInput without masks, and for a value that is no class.
    """
    segmenter = Segmenter(model)
    source, masks = as_folders(source, options["truth"])
    options = {**options, "truth": masks}
    folder, names, part = chosen_images(model, source, options)
    truth = truth_of(model, folder, options["truth"])
    labels = segmenter.labels(truth, names, folder)
    warnings.warn(labels.reading, Reading, stacklevel=3)
    warn_without_labels(labels.unmatched[0], truth)
    scores, skipped = segmenter.scores(), list[tuple[str, str]]()
    for _, _, true, found in compared(segmenter, folder, labels, skipped):
        add_to(scores, true, found)
    if not scores.counts:
        raise BadInput(f"{folder}: none of its images could be read: {skipped[0][1] if skipped else 'no masks'}")
    warn_skipped(skipped, len(labels.matched))
    split, figures = {"split": part} if part else {}, scores.result()
    del figures["images"]
    return {"data": folder.name, **split, "items": len(scores.counts), **figures, **skipped_files(skipped)}


def compared(
    segmenter: Segmenter, folder: Path, labels: Labels, skipped: list[tuple[str, str]]
) -> Iterator[tuple[str, Photo, LabelMap, Segmented]]:
    """(name, image, labels, result) of each image; broken images are appended to `skipped`."""
    with Progress(len(labels.matched)) as bar:
        for number, name in enumerate(labels.matched, 1):
            try:
                photo = read_photo(folder / name)
            except BadInput as error:
                skipped.append((name, str(error).removeprefix(f"{folder / name}: ")))
                continue
            yield name, photo, labels.read(name, photo.size), segmenter(photo, name)
            bar.step(number, partial("image {}/{}".format, number, len(labels.matched)))


def chosen_images(model: Autoencoder, source: Any, options: Mapping[str, Any]) -> tuple[Path, list[str], str]:
    """(folder, names of the images of the split, the split; "" for all of a folder)."""
    folder = folder_of(source)
    names = images_of(folder, truth_of(model, folder, options["truth"]), [])
    split, recorded = options["split"], recorded_images(model) if is_trained_on(model, folder) else {}
    if split is None:
        split = next((part for part in ("test", "validation") if recorded.get(part)), "all")
    if split != "all":
        if not recorded.get(split):
            raise unknown("split", split, [*(part for part in recorded if recorded[part]), "all"])
        names = [name for name in names if name in recorded[split]]
    return folder, names[: options["first"]], split if recorded else ""


def recorded_images(model: Autoencoder) -> dict[str, set[str]]:
    """The images of each part of the training; {} for a model without a run folder."""
    if model.path is None or not (model.path / store.PARTS).is_file():
        return {}
    parts = store.read_json(model.path / store.PARTS)
    return {part: set(map(image_of, names)) for part, names in parts.items()}


def is_trained_on(model: Autoencoder, folder: Path) -> bool:
    return model.about.get("data", {}).get("path") == str(folder.resolve())


def truth_of(model: Autoencoder, folder: Path, truth: Any) -> Path:
    """The masks of a folder. Raises BadInput if none are named and the folder is not that of the training."""
    if truth is not None:
        return Path(truth)
    if not is_trained_on(model, folder):
        raise BadInput(f"{folder}: needs masks to compare with; --masks PATH names them")
    return Path(model.about["data"]["truth"]["path"] or folder)
