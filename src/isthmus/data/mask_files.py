"""Mask files among images: recognized by folder or ending and by their pixels; matched with images, and read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from isthmus.data.folder_roles import ROLES
from isthmus.errors import BadInput
from isthmus.media.image_reader import read_picture

# Of a file's stem, case-insensitive: KolektorSDD2 has 10000_GT.png, Cellpose 000_cp_masks.png.
ENDINGS = ("_cp_masks", "_masks", "_mask", "_gt", "_labels", "_label", "_seg")
LOSSY = (".jpg", ".jpeg", ".webp")
CHECKED = 4  # files of a group that are opened to check whether they are masks
FEW_VALUES = 16  # a mask of several classes has no more


def without_ending(stem: str) -> str:
    """A file's stem in lower case, without the ending of a mask."""
    stem = stem.lower()
    ending = next((one for one in ENDINGS if stem.endswith(one) and stem != one), "")
    return stem.removesuffix(ending)


def masks_among(folder: Path, names: Sequence[str]) -> list[str]:
    """The names below `folder` that are masks of other images, by their names and their pixels.

    Names of masks are: files in a folder such as ground_truth; NAME_mask.png, NAME_GT.png or NAME_label.bmp next to
    NAME.jpg; NAME.png next to NAME.jpg. [] if no image would be left, as in a folder of masks only.
    """
    paths = {name: PurePosixPath(name) for name in names}
    suffixes: dict[tuple[PurePosixPath, str], set[str]] = defaultdict(set)
    for path in paths.values():
        suffixes[path.parent, path.stem.lower()].add(path.suffix.lower())
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, path in paths.items():
        inside = next((part for part in path.parts[:-1] if ROLES.get(part.lower()) == "masks"), "")
        own, base = path.stem.lower(), without_ending(path.stem)
        siblings = suffixes.get((path.parent, base), set())
        if own == base:  # of two files with one stem the losslessly compressed one is the mask
            siblings = siblings & set(LOSSY) if path.suffix.lower() not in LOSSY else set()
        if inside or siblings:
            groups[inside or f"{path.parent}/{own.removeprefix(base)}", path.suffix].append(name)
    masks = [name for group in groups.values() if are_masks([folder / name for name in group]) for name in group]
    return sorted(masks) if len(masks) < len(names) else []


def without_masks(folder: Path, names: list[str], notes: list[str]) -> list[str]:
    """The names without masks, which must not be trained on; a note says so."""
    masks = masks_among(folder, names)
    if not masks:
        return names
    listed = masks[0] + (", …" if len(masks) > 1 else "")
    count = "1 mask is" if len(masks) == 1 else f"{len(masks)} masks are"
    notes.append(f"{folder}: {count} left out ({listed}); name their folder itself to use them")
    omitted = set(masks)
    return [name for name in names if name not in omitted]


def are_masks(paths: Sequence[Path]) -> bool:
    """Whether a sample of the images, evenly spaced, are masks by their pixels."""
    indices = np.linspace(0, len(paths) - 1, min(CHECKED, len(paths))).astype(int)
    return all(is_mask(paths[index]) for index in np.unique(indices))


def is_mask(path: Path) -> bool:
    """Whether an image has few values, or nearly all of its pixels are near its minimum or maximum."""
    try:
        pixels = read_picture(path)
    except BadInput:
        return True  # named as a mask, and not readable as an image anyway
    sample = pixels.reshape(len(pixels), -1)[:, ::3]
    if len(np.unique(sample, axis=1).T) <= FEW_VALUES:
        return True
    if (sample != sample[:1]).any():
        return False
    low, high = int(sample.min()), int(sample.max())
    edge = (high - low) / 16
    return bool(((sample[0] <= low + edge) | (sample[0] >= high - edge)).mean() > 0.9)


def read_mask(paths: Iterable[Path]) -> np.ndarray:
    """H×W bool, the union of the masks; a pixel is marked above the minimum, in a lossy file above the middle.

    So masks may hold 0 and 1, 0 and 255, or class numbers. Raises BadInput for unreadable files, for no file, and for
    masks of different sizes.
    """
    marked: np.ndarray | None = None
    for path in paths:
        values = read_picture(path).max(0)
        low, high = int(values.min()), int(values.max())
        at = (low + high) / 2 if path.suffix.lower() in LOSSY else low
        one = values > at if high > low else values > 0
        if marked is not None and marked.shape != one.shape:
            raise BadInput(f"{path}: a mask of {one.shape[1]}×{one.shape[0]}, and another mask of a different size")
        marked = one if marked is None else marked | one
    if marked is None:
        raise BadInput("no mask to read")
    return marked


class MaskIndex:
    """Index of masks by their image; names of mask folders, parts and holders are not part of an image's key.

    So Data/Masks/Anomaly/000.png belongs to Data/Images/Anomaly/000.JPG, ground_truth/hole/000_mask.png to
    test/hole/000.png, bad/000_GT.png to bad/000.png, masks/000.png to abnormal/000.png, and all files in
    ground_truth/logical/000/ to test/logical/000.png.
    """

    def __init__(self) -> None:
        self.files: set[Path] = set()
        self.masks: dict[tuple[str, ...], set[Path]] = defaultdict(set)

    def add(self, top: Path, masks: Iterable[Path]) -> None:
        for path in masks:
            self.files.add(path)
            key = key_of(path.relative_to(top))
            self.masks[key].add(path)
            if len(key) > 1 and ROLES.get(path.parent.name.lower()) != "masks":
                self.masks[key[:-1]].add(path)

    def of(self, picture: Path, top: Path) -> tuple[Path, ...]:
        """The masks of an image: by its full key, without its part (train, test), or by its file name only."""
        key = key_of(picture.relative_to(top))
        part = key[:1] if ROLES.get(key[0]) else ()
        keys = (key, key[len(part) :], (*part, key[-1]), key[-1:])
        return next((tuple(sorted(self.masks[one])) for one in keys if one in self.masks), ())


def key_of(name: Path) -> tuple[str, ...]:
    folders = [part.lower() for part in name.parts[:-1]]
    return (*(part for part in folders if ROLES.get(part) not in ("masks", "holder")), without_ending(name.stem))


def shared_masks(masks: Iterable[tuple[Path, ...]]) -> set[Path]:
    """Masks that match several images, so that they are ambiguous."""
    count = Counter(path for ones in masks for path in ones)
    return {path for path, times in count.items() if times > 1}
