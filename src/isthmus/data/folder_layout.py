"""Folder layouts of anomaly detection data: training images, test images by kind of defect, ground-truth masks.

The role of a folder follows from its name (folder_roles.py); so MVTec AD, MVTec LOCO, BTAD, VisA, KolektorSDD2 and
own folders are read by one rule. Either the top folder or the folder of normal images may be given, or a folder of
several such top folders, one of each product.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from isthmus.data.base import Data
from isthmus.data.find_images import films_left_out, find_pictures
from isthmus.data.folder_roles import NORMAL, PARTS, role_of, subfolders
from isthmus.data.folders import open_pictures
from isthmus.data.mask_files import MaskIndex, are_masks, masks_among, read_mask, shared_masks
from isthmus.errors import BadInput

PARTIAL = (*NORMAL, "train", "training", "images", "image")  # a folder of such a name is a part of its parent
MARKED, UNLABELED = "anomalous", "unlabeled"  # kinds of images that are in no folder of a kind


@dataclass(frozen=True)
class LabeledImages:
    """A test image: its kind of defect (good: none; unlabeled: unknown), and its ground-truth masks."""

    path: Path
    kind: str
    masks: tuple[Path, ...] = ()


@dataclass(frozen=True)
class AnomalyFolders:
    """The roles of the images below `top`.

    good: the folder of the training images `learned`, relative names. judged: the test images. masks: number of mask
    files. notes: one line for each group of files without a role. products: the names of the folders in `top`, two or
    more, if each has a layout of its own; `good` is `top` then.
    """

    top: Path
    good: Path
    learned: list[str]
    judged: list[LabeledImages]
    masks: int
    notes: list[str]
    products: Sequence[str] = ()

    @property
    def kinds(self) -> list[str]:
        return sorted({one.kind for one in self.judged} - {"good", UNLABELED})

    @property
    def summary(self) -> str:
        """One line: numbers of training images, test images by kind, and masks."""
        count = Counter(one.kind for one in self.judged)
        items = [f"{len(self.learned)} normal to learn from"]
        items += [f"{count['good']} normal to test"] if count["good"] else []
        kinds = "" if self.products else f" ({', '.join(f'{kind} {count[kind]}' for kind in self.kinds)})"
        items += [f"{sum(count[kind] for kind in self.kinds)} anomalous{kinds}"] if self.kinds else []
        items += [f"{count[UNLABELED]} to test without a label"] if count[UNLABELED] else []
        items += [f"{self.masks} masks"] if self.masks else []
        if self.products:
            items.insert(0, f"{len(self.products)} products ({', '.join(self.products)})")
        return f"{self.top}: {', '.join(items)}"

    def product_of(self, path: Path) -> str:
        """The product of an image below `top`; empty without products."""
        return path.relative_to(self.top).parts[0] if self.products else ""

    def open(self, **options: Any) -> Data:
        """The training images by open_pictures(options), with the summary and the notes among its notes."""
        if role_of(self.good) == "masks":
            raise BadInput(f"{self.good}: is a folder of masks by its name; name a folder of normal pictures")
        if not self.learned and self.masks:
            raise BadInput(f"{self.top}: a mask marks every image, so there is no normal one to train on")
        data = open_pictures(self.good, names=self.learned, **options)
        if self.products:
            data.strata = np.array([self.products.index(PurePosixPath(name).parts[0]) for name in data.names])
        data.notes[:0] = [self.summary, *self.notes]
        return data


@dataclass(frozen=True)
class Branch:
    """A folder of images: the kind by its name, or None, and the part (train, test, …) it is in, or None."""

    folder: Path
    kind: str | None
    part: str | None


def anomaly_folders(folder: Path) -> AnomalyFolders:
    """The layout of which `folder` is the top, the training split or the normal part, or that of all products in it; in
    another folder all are normal.

    If names give no kinds, masks do: an image with a non-empty mask is anomalous.
    """
    if (own := layout_of(folder)) is not None:
        return own
    products = {path.name: layout for path in subfolders(folder) if (layout := layout_of(path)) is not None}
    if products:
        return joined(folder, products)
    single = Branch(folder, None, None)
    return assign_roles(folder, [single], [single])


def joined(top: Path, products: Mapping[str, AnomalyFolders]) -> AnomalyFolders:
    """The layouts of the products in a folder as one, the only one as it is; with a note on images of no product."""
    ones = list(products.values())
    outside = [name for name in find_pictures(top)[0] if PurePosixPath(name).parts[0] not in products]
    notes = [note for one in ones for note in one.notes]
    if outside:
        notes.append(f"{top}: {len(outside)} pictures ({outside[0]}, …) belong to no product and are left out")
    if len(ones) == 1:
        return replace(ones[0], notes=notes)
    learned = [(one.good / name).relative_to(top).as_posix() for one in ones for name in one.learned]
    judged = [image for one in ones for image in one.judged]
    return AnomalyFolders(top, top, learned, judged, sum(one.masks for one in ones), notes, list(products))


def layout_of(folder: Path) -> AnomalyFolders | None:
    """The layout by the names of the folders in `folder`, or in its parents if it is a part; None if they give none."""
    for top in possible_tops(folder):
        branches = list(branches_of(top))
        learned = [one for one in branches if one.kind == "good" and one.part in (None, "train")]
        if not learned:  # all images of the training split are normal, whatever the names of its folders
            learned = [one for one in branches if one.part == "train" and one.kind is None]
            known = {path.name for one in learned for path in subfolders(one.folder)}
            branches = [replace(one, kind="good") if one.kind in known else one for one in branches]
        apart = any(one.kind == "good" or one.part == "test" for one in branches)
        if apart and any(folder == top or one.folder.is_relative_to(folder) for one in learned):
            return assign_roles(top, learned, branches)
    return None


def possible_tops(folder: Path) -> list[Path]:
    """The folder and its parents, as long as the name is one of a part; the highest first."""
    tops = [folder]
    while tops[0].name.lower() in PARTIAL and tops[0].parent != tops[0]:
        tops.insert(0, tops[0].parent)
    return tops


def branches_of(folder: Path, part: str | None = None) -> Iterator[Branch]:
    """The folders below with images of one kind each; next to folders of parts, other folders are ignored."""
    roles = {path: role_of(path) for path in subfolders(folder)}
    if parts := {path: role for path, role in roles.items() if role in PARTS}:
        for path, role in parts.items():
            yield from branches_of(path, part if role == "holder" else role)
        return
    if part == "test" or "good" in roles.values():
        yield from (Branch(path, role or path.name, part) for path, role in roles.items() if role != "masks")
    if part is not None:
        yield Branch(folder, None, part)


def mask_folders(folder: Path) -> Iterator[Path]:
    for path in subfolders(folder):
        if (role := role_of(path)) == "masks":
            yield path
        elif role in PARTS:
            yield from mask_folders(path)


def assign_roles(top: Path, learned: Sequence[Branch], branches: Sequence[Branch]) -> AnomalyFolders:
    """Each image of the branches with its kind and masks; without a test split, all other images are test images."""
    index, pictures = MaskIndex(), dict[Branch, list[Path]]()
    for root in {top, top.parent if role_of(top) == "test" else top}:
        for mask_folder in mask_folders(root):
            masks = [mask_folder / name for name in find_pictures(mask_folder)[0]]
            index.add(root, masks if are_masks(masks) else [])
    others = Counter[str]()
    for branch in branches:
        inner = {one.folder for one in branches if one.folder != branch.folder}
        below, left = find_pictures(branch.folder)
        others += left if branch in learned else {}
        names = [
            name
            for name in below
            if (path := branch.folder / name) not in index.files
            and not inner & {*path.parents} - {*branch.folder.parents}
        ]
        mask_names = masks_among(branch.folder, names)
        index.add(top, (branch.folder / name for name in mask_names))
        pictures[branch] = [branch.folder / name for name in sorted(set(names) - set(mask_names))]

    normal, judged, notes = list[Path](), list[LabeledImages](), films_left_out(str(top), others)
    tested = any(one.part == "test" and paths for one, paths in pictures.items())
    for branch, paths in pictures.items():
        ones = kinds_of(branch, [(path, index.of(path, top)) for path in paths])
        if branch in learned:
            normal += [one.path for one in ones if one.kind == "good"]
            ones = [one for one in ones if one.kind != "good"]
        if branch.part == "test" or (not tested and branch.part != "validation"):
            judged += ones
        elif ones:
            notes.append(f"{branch.folder}: {len(ones)} pictures are neither learned from nor judged")
    if ambiguous := shared_masks(one.masks for one in judged):
        notes.append(f"{len(ambiguous)} masks are left out, as each fits several pictures: {min(ambiguous)}")
        judged = [replace(one, masks=tuple(path for path in one.masks if path not in ambiguous)) for one in judged]
    good = Path(os.path.commonpath([one.folder for one in learned]))
    names = sorted(path.relative_to(good).as_posix() for path in normal)
    return AnomalyFolders(top, good, names, judged, len(index.files), notes)


def kinds_of(branch: Branch, pictures: Sequence[tuple[Path, tuple[Path, ...]]]) -> list[LabeledImages]:
    """The images of a branch with their kinds: by the name of its folder, else by their masks if any has one."""
    if branch.kind is not None:
        return [LabeledImages(path, branch.kind, () if branch.kind == "good" else masks) for path, masks in pictures]
    if not any(masks for _, masks in pictures):
        kind = UNLABELED if branch.part == "test" else "good"
        return [LabeledImages(path, kind) for path, _ in pictures]
    with ThreadPoolExecutor() as pool:
        marked = list(pool.map(marks_pixels, [masks for _, masks in pictures]))
    return [
        LabeledImages(path, MARKED, masks) if anomalous else LabeledImages(path, "good")
        for (path, masks), anomalous in zip(pictures, marked, strict=True)
    ]


def marks_pixels(masks: Sequence[Path]) -> bool:
    """Whether any mask marks a pixel; an unreadable one counts as if it did."""
    try:
        return bool(masks) and bool(read_mask(masks).any())
    except BadInput:
        return True
