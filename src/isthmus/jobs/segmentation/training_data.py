"""The training data of segmentation: patches of images at native scale, with their label maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.data import MEMORY_BUDGET, Data
from isthmus.data.decoding import fingerprint, read_headers
from isthmus.data.find_images import find_pictures, nothing_in
from isthmus.data.mask_files import without_masks
from isthmus.errors import BadInput, unknown
from isthmus.jobs.segmentation.classes import Classes
from isthmus.jobs.segmentation.instances import border_and_distance
from isthmus.jobs.segmentation.label_files import LabelMap, Labels, open_labels
from isthmus.jobs.segmentation.patch_choice import PatchChoice
from isthmus.jobs.segmentation.pixels import channels_of, planes_of, range_of, to_stored
from isthmus.layers import mirrored
from isthmus.media.file_content import Header
from isthmus.media.image_file import read_photo
from isthmus.metrics.segmentation import IGNORE

INSTANCES = ("auto", "yes", "no")
BY_FREQUENCY = "frequency"


def open_pairs(data: Any, truth: Any, options: Mapping[str, Any], square: int) -> Data:
    """Patches of the images of a folder as x, their label maps as the target, N×1×S×S (N×3×S×S for instances).

    data: a folder of images. truth: their masks (see open_labels); None: masks inside `data`. options: those of
    Job.open with the keys of the recipe; size, or else `square`, is the side of the patches. Images without a mask
    are left out with a note. Raises BadInput for a source that is no folder, and if no image has a mask.
    """
    folder, keys, notes = folder_of(data), options["keys"], list[str]()
    names = images_of(folder, truth, notes)
    labels = labels_of(truth, names, folder, keys)
    notes += ["\n  ".join([labels.understood, *labels.classes.describe()]), *labels.notes]
    kept, infos, skipped = read_headers(folder, labels.matched)
    if not len(kept):
        raise BadInput(f"{folder}: no image with a mask can be read ({'; '.join(list(skipped.values())[:3])})")
    headers = [Header(*info) for info in infos[list(Header._fields)].tolist()]
    channels, normalize = channels_of(headers, options.get("gray")), keys.get("normalize", "auto")
    size = min(options.get("size") or square, max(max(header.height, header.width) for header in headers))
    deep = any(header.deep or header.units for header in headers)
    patches = Patches(folder, labels, channels, normalize, size, deep)
    positions = patches.choose(kept, headers)
    items, targets = patches.read(positions)
    files = [kept[index] for index in positions[:, 0]]
    source = {
        "kind": "folder",
        "path": str(folder.resolve()),
        "fingerprint": fingerprint(kept, infos),
        "count": len(files),
        "size": [size, size],
        "gray": channels == 1,
        "cut": size,
        "pictures": len(kept),
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
    return own.with_field("target", target)


def folder_of(data: Any) -> Path:
    path = Path(data) if isinstance(data, (str, Path)) else None
    if path is None or not path.is_dir():
        raise BadInput(f"{data if path else type(data).__name__}: a folder of images is accepted, with masks of them")
    return path


def images_of(folder: Path, truth: Any, notes: list[str]) -> list[str]:
    """The names of the images of a folder, without masks and without those in the folder `truth` below it."""
    names, others = find_pictures(folder)
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
        as_classes=instances == "no",
    )


def keys_of(data: Data, keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of the recipe that follow from the labels: number of classes, objects, weights by frequency."""
    labels = data.source["labels"]
    classes = Classes.of(labels["classes"])
    if len(classes) < 2:
        raise BadInput(f"{data.source['truth']['path']}: only one class, {classes.names[0]}: two or more are accepted")
    background = "none" if classes.background is None else str(classes.background)
    own: dict[str, Any] = {"classes": len(classes), "background": background}
    own |= {"instances": "yes" if labels["instances"] else "no"}
    if keys.get("class_weights") == BY_FREQUENCY:
        pixels = np.maximum(np.array(classes.pixels[: len(classes)], float), 1)
        weights = np.sqrt(pixels.sum() / pixels)
        own["class_weights"] = ",".join(f"{weight:.4g}" for weight in weights / (weights * pixels).sum() * pixels.sum())
    return own


class Patches:
    """Chooses and reads patches of labeled images."""

    def __init__(self, folder: Path, labels: Labels, channels: int, normalize: str, size: int, deep: bool) -> None:
        self.folder, self.labels, self.channels, self.normalize = folder, labels, channels, normalize
        self.size, self.deep = size, deep
        self.names: Sequence[str] = []

    @property
    def planes(self) -> int:
        """Channels of a target."""
        return 3 if self.labels.has_instances else 1

    def choose(self, names: Sequence[str], headers: list[Header]) -> np.ndarray:
        """N×3, (image, top, left); as many as fit MEMORY_BUDGET."""
        self.names = names
        choice = PatchChoice(self.size, len(self.labels.classes), self.labels.classes.background)
        for name, header in zip(names, headers, strict=True):
            choice.add(self.labels.read(name, (header.height, header.width)).classes)
        each = self.size**2 * (self.channels * (2 if self.deep else 1) + self.planes)
        return choice.positions(MEMORY_BUDGET // each)

    def read(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N×C×S×S in uint8 or uint16, N×planes×S×S uint8) of the positions, ascending by image."""
        items = np.empty((len(positions), self.channels, self.size, self.size), np.uint16 if self.deep else np.uint8)
        targets = np.empty((len(positions), self.planes, self.size, self.size), np.uint8)
        edges = np.searchsorted(positions[:, 0], np.arange(len(self.names) + 1))
        for image, name in enumerate(self.names):
            if edges[image] == edges[image + 1]:
                continue
            planes = planes_of(read_photo(self.folder / name), self.channels, name)
            stored = to_stored(planes, range_of(planes, self.normalize), self.deep)
            target = target_of(self.labels.read(name, planes.shape[1:]), self.planes)  # type: ignore[arg-type]
            for row in range(edges[image], edges[image + 1]):
                items[row] = self.cut(stored, positions[row, 1:], mirror=True)
                targets[row] = self.cut(target, positions[row, 1:], mirror=False)
        return items, targets

    def cut(self, planes: np.ndarray, corner: np.ndarray, mirror: bool) -> np.ndarray:
        """C×S×S from a corner; an image that is smaller is mirrored, or its labels are filled with IGNORE."""
        top, left = corner
        part = planes[:, top : top + self.size, left : left + self.size]
        down, across = self.size - part.shape[1], self.size - part.shape[2]
        if not down and not across:
            return part
        if mirror:
            return mirrored(torch.from_numpy(part.astype(np.float32))[None], self.size, self.size)[0].numpy()
        return np.pad(part, ((0, 0), (0, down), (0, across)), constant_values=IGNORE)


def target_of(labels: LabelMap, planes: int) -> np.ndarray:
    """planes×H×W uint8: the class map; for instances also borders and distances."""
    if planes == 1 or labels.instances is None:
        return labels.classes[None]
    return np.stack([labels.classes, *border_and_distance(labels.instances)])
