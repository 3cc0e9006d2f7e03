"""Masks that lie among pictures: known by their folder or their ending, checked by their pixels, and read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from isthmus.data.folder_roles import ROLES
from isthmus.errors import BadInput
from isthmus.media.image_reader import read_picture

ENDINGS = ("_mask", "_gt", "_label", "_seg")  # of a file's stem, in any case: KolektorSDD2 has 10000_GT.png
LOSSY = (".jpg", ".jpeg", ".webp")
CHECKED = 4  # files of a group that are opened to see whether they are masks
FEW_VALUES = 16  # a mask of several classes has no more


def plain(stem: str) -> str:
    """A file's stem in lower case, without the ending of masks."""
    stem = stem.lower()
    ending = next((one for one in ENDINGS if stem.endswith(one) and stem != one), "")
    return stem.removesuffix(ending)


def masks_among(folder: Path, names: Sequence[str]) -> list[str]:
    """Those of the names below `folder` that are masks of others: named as masks are, and with pixels as masks have.

    Named as masks are pictures in a folder such as ground_truth, NAME_mask.png, NAME_GT.png or NAME_label.bmp beside
    NAME.jpg, and NAME.png beside NAME.jpg. None where no picture would be left, as in a folder of masks alone.
    """
    paths = {name: PurePosixPath(name) for name in names}
    suffixes: dict[tuple[PurePosixPath, str], set[str]] = defaultdict(set)
    for path in paths.values():
        suffixes[path.parent, path.stem.lower()].add(path.suffix.lower())
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, path in paths.items():
        inside = next((part for part in path.parts[:-1] if ROLES.get(part.lower()) == "masks"), "")
        own, base = path.stem.lower(), plain(path.stem)
        beside = suffixes.get((path.parent, base), set())
        if own == base:  # of two pictures of one stem the mask is the one that was packed without loss
            beside = beside & set(LOSSY) if path.suffix.lower() not in LOSSY else set()
        if inside or beside:
            groups[inside or f"{path.parent}/{own.removeprefix(base)}", path.suffix].append(name)
    masks = [name for group in groups.values() if are_masks([folder / name for name in group]) for name in group]
    return sorted(masks) if len(masks) < len(names) else []


def without_masks(folder: Path, names: list[str], notes: list[str]) -> list[str]:
    """The names but those of masks that lie among pictures, which nobody means to learn from; a note says so."""
    masks = masks_among(folder, names)
    if not masks:
        return names
    some = masks[0] + (", …" if len(masks) > 1 else "")
    count = "1 mask is" if len(masks) == 1 else f"{len(masks)} masks are"
    notes.append(f"{folder}: {count} left out ({some}); name their folder itself to use them")
    left = set(masks)
    return [name for name in names if name not in left]


def are_masks(paths: Sequence[Path]) -> bool:
    """Whether some of the pictures, spread evenly over all, look like masks."""
    places = np.linspace(0, len(paths) - 1, min(CHECKED, len(paths))).astype(int)
    return all(looks_like_mask(paths[place]) for place in np.unique(places))


def looks_like_mask(path: Path) -> bool:
    """Whether a picture has few values, or nearly all of its pixels are about as dark or as bright as any."""
    try:
        pixels = read_picture(path)
    except BadInput:
        return True  # named as a mask, and no picture anyway
    sample = pixels.reshape(len(pixels), -1)[:, ::3]
    if len(np.unique(sample, axis=1).T) <= FEW_VALUES:
        return True
    if (sample != sample[:1]).any():
        return False
    low, high = int(sample.min()), int(sample.max())
    edge = (high - low) / 16
    return bool(((sample[0] <= low + edge) | (sample[0] >= high - edge)).mean() > 0.9)


def read_mask(paths: Iterable[Path]) -> np.ndarray:
    """H×W bool, where any of the masks marks: every value above the lowest; of a lossy file, above the middle.

    So 0 and 1, 0 and 255, and a number a class are all masks. Raises BadInput for what cannot be read, for none, and
    for masks of several sizes.
    """
    marked: np.ndarray | None = None
    for path in paths:
        values = read_picture(path).max(0)
        low, high = int(values.min()), int(values.max())
        at = (low + high) / 2 if path.suffix.lower() in LOSSY else low
        one = values > at if high > low else values > 0
        if marked is not None and marked.shape != one.shape:
            raise BadInput(f"{path}: a mask of {one.shape[1]}×{one.shape[0]} beside one of another size")
        marked = one if marked is None else marked | one
    if marked is None:
        raise BadInput("no mask to read")
    return marked


class MaskIndex:
    """Masks by the picture that they are of: folders of masks, parts and holders do not count in a picture's key.

    So Data/Masks/Anomaly/000.png is of Data/Images/Anomaly/000.JPG, ground_truth/hole/000_mask.png of
    test/hole/000.png, bad/000_GT.png of bad/000.png, masks/000.png of abnormal/000.png, and all that lies in
    ground_truth/logical/000/ of test/logical/000.png.
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
        """The masks of a picture: by its whole key, without its part (train, test), or by its file name alone."""
        key = key_of(picture.relative_to(top))
        part = key[:1] if ROLES.get(key[0]) else ()
        keys = (key, key[len(part) :], (*part, key[-1]), key[-1:])
        return next((tuple(sorted(self.masks[one])) for one in keys if one in self.masks), ())


def key_of(name: Path) -> tuple[str, ...]:
    folders = [part.lower() for part in name.parts[:-1]]
    return (*(part for part in folders if ROLES.get(part) not in ("masks", "holder")), plain(name.stem))


def shared(masks: Iterable[tuple[Path, ...]]) -> set[Path]:
    """Masks that several pictures have been given: of which of them they are cannot be known."""
    count = Counter(path for ones in masks for path in ones)
    return {path for path, times in count.items() if times > 1}
