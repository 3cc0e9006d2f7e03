"""The training data of segmentation: patches of images at native scale, with their label maps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.data import Data
from isthmus.data.decoding import fingerprint, read_headers
from isthmus.data.find_images import find_pictures, nothing_in
from isthmus.data.mask_files import without_masks
from isthmus.errors import BadInput, unknown
from isthmus.jobs.segmentation.classes import Classes
from isthmus.jobs.segmentation.labels.open import Labels, open_labels
from isthmus.jobs.segmentation.patches import Patches
from isthmus.jobs.segmentation.pixels import channels_of
from isthmus.jobs.segmentation.unpack import as_folders, is_packed
from isthmus.media.file_content import Header

INSTANCES = ("auto", "yes", "no", "numbers")
BY_FREQUENCY = "frequency"
ACCEPTED = "a folder of images is accepted, an array, a .npy, a .npz or a TIFF stack, with masks of them"


def open_pairs(data: Any, truth: Any, options: Mapping[str, Any], square: int) -> Data:
    """Patches of the images of a folder as x, their label maps as the target, N×1×S×S (N×3×S×S for instances).

    data, truth: a folder of images, and their masks (see open_labels; None: masks inside `data`), or arrays or stacks
    of both (see as_folders). options: those of Job.open with the keys of the recipe; size, or else `square`, is the
    side of the patches. Images without a mask
    are left out with a note. Raises BadInput for a source that is no folder, and if no image has a mask.
    """
    packed, (images, truth) = is_packed(data), as_folders(data, truth)
    if packed and truth is None:
        shown = data if isinstance(data, (str, Path)) else "images"
        raise BadInput(f"{shown}: has no masks; accepted is an array or a stack of them, too")
    folder, keys, notes = folder_of(images), options["keys"], list[str]()
    names = images_of(folder, truth, notes)
    labels = labels_of(truth, names, folder, keys)
    notes += [labels.reading, *labels.notes]
    kept, infos, skipped = read_headers(folder, labels.matched)
    if not len(kept):
        raise BadInput(f"{folder}: no image with a mask can be read ({'; '.join(list(skipped.values())[:3])})")
    headers = [Header(*info) for info in infos[list(Header._fields)].tolist()]
    channels, normalize = channels_of(headers, options.get("gray")), keys.get("normalize", "auto")
    size = min(options.get("size") or square, max(max(header.height, header.width) for header in headers))
    deep = any(header.deep or header.units for header in headers)
    patches = Patches(folder, labels, channels, normalize, size, deep, float(keys.get("touching", 0)))
    positions = patches.choose(kept, headers)
    notes += patches.notes
    items, targets, weights, broken = patches.read(positions)
    skipped |= {kept[index]: reason for index, reason in broken.items()}
    if broken:
        rows = np.flatnonzero(~np.isin(positions[:, 0], list(broken)))
        if not len(rows):
            raise BadInput(f"{folder}: no image with a mask can be read ({'; '.join(list(skipped.values())[:3])})")
        positions, items, targets = positions[rows], items[rows], targets[rows]
        weights = None if weights is None else weights[rows]
    files = [kept[index] for index in positions[:, 0]]
    source = {
        "kind": "folder",
        "path": str(folder.resolve()),
        "fingerprint": fingerprint(kept, infos),
        "count": len(files),
        "size": [size, size],
        "gray": channels == 1,
        "cut": size,
        "pictures": len(kept) - len(broken),
        "truth": {"path": str(Path(truth).resolve()) if truth is not None else None},
        "labels": {"classes": labels.classes.state(), "instances": labels.has_instances},
    }
    own = Data(
        torch.from_numpy(items),
        (channels, size, size),
        (0.0, 65535.0 if deep else 255.0),
        [f"{file}#{top},{left}" for file, (_, top, left) in zip(files, positions.tolist(), strict=True)],
        skipped=list(skipped.items()),
        notes=notes,
        source=source,
        pictures=positions[:, 0],
        kind="image",
    )
    target = Data(torch.from_numpy(targets), targets.shape[1:], (0.0, 1.0), own.names, kind="labels")
    own = own.with_field("target", target)
    if weights is None:
        return own
    return own.with_field("weight", Data(torch.from_numpy(weights), weights.shape[1:], (0.0, 1.0), own.names))


def folder_of(data: Any) -> Path:
    path = Path(data) if isinstance(data, (str, Path)) else None
    if path is not None and not path.exists():
        raise BadInput(f"{path}: no such folder; {ACCEPTED}")
    if path is None or not path.is_dir():
        raise BadInput(f"{data if path else type(data).__name__}: {ACCEPTED}")
    return path


def images_of(folder: Path, truth: Any, notes: list[str]) -> list[str]:
    """The names of the images of a folder, without masks and without those in the folder `truth` below it."""
    names, others = find_pictures(folder)
    if not names:
        raise nothing_in(f"{folder}/", others)
    if truth is None:
        return names
    top = Path(str(truth)).resolve()
    if top != folder.resolve():
        names = [name for name in names if not (folder / name).resolve().is_relative_to(top)]
    names = without_masks(folder, names, notes)
    if not names:
        raise nothing_in(f"{folder}/", others)
    return names


def labels_of(truth: Any, names: list[str], folder: Path, keys: Mapping[str, Any]) -> Labels:
    """The labels of a training by the keys of the recipe."""
    instances = keys.get("instances", "auto")
    if instances not in INSTANCES:
        raise unknown("instances", instances, INSTANCES)
    return open_labels(
        folder if truth is None else truth,
        names,
        folder,
        ignore=keys.get("ignore") or None,
        colors=keys.get("colors") or None,
        instances=instances == "yes",
        numbers=instances == "numbers",
        as_classes=instances == "no",
        soft=bool(keys.get("soft")),
        background=keys.get("background", "auto"),
    )


def keys_of(data: Data, keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of the recipe that follow from the labels: number of classes, objects, weights by frequency.

    Raises BadInput for a number of classes that is not theirs.
    """
    labels, source = data.source["labels"], data.source["truth"]["path"] or data.source["path"]
    classes = Classes.of(labels["classes"])
    if len(classes) < 2:
        raise BadInput(f"{source}: only one class, {classes.names[0]}: two or more are accepted")
    if keys.get("classes", len(classes)) != len(classes):
        raise BadInput(f"{source}: has {len(classes)} classes, not classes={keys['classes']}; a training counts them")
    background = "none" if classes.background is None else str(classes.background)
    own: dict[str, Any] = {"classes": len(classes), "background": background}
    own |= {"instances": "yes" if labels["instances"] else "no"}
    if keys.get("class_weights") == BY_FREQUENCY:
        pixels = np.maximum(np.array(classes.pixels[: len(classes)], float), 1)
        weights = np.sqrt(pixels.sum() / pixels)
        own["class_weights"] = ",".join(f"{weight:.4g}" for weight in weights / (weights * pixels).sum() * pixels.sum())
    return own
