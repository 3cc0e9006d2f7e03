"""Normal and anomalous parts in folders, as people have them: pictures to learn from, pictures to judge, masks.

A folder's name says its role (folder_roles.py); so MVTec AD, MVTec LOCO, BTAD, VisA, KolektorSDD2 and folders of one's
own are read by one rule. The top folder may be named, or that of the normal pictures.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isthmus.data.base import Data
from isthmus.data.folder_roles import NORMAL, PARTS, role_of, subfolders
from isthmus.data.folders import films_left_out, find_pictures, open_pictures
from isthmus.data.mask_files import MaskIndex, are_masks, masks_among, read_mask, shared
from isthmus.errors import BadInput

CLIMBED = (*NORMAL, "train", "training", "images", "image")  # a folder of such a name is a part of the one above it
MARKED, UNLABELED = "anomalous", "unlabeled"  # kinds of pictures that lie in no folder of a kind


@dataclass(frozen=True)
class LabeledImages:
    """One picture to judge: its kind of defect (good: none; unlabeled: not known), and its masks where it has any."""

    path: Path
    kind: str
    masks: tuple[Path, ...] = ()


@dataclass(frozen=True)
class AnomalyFolders:
    """The roles of the pictures below `top`.

    good: the folder that is learned from, and of it the pictures `learned`, by relative name. judged: the pictures set
    apart to judge. masks: how many files are masks. notes: files that have no role, a line each.
    """

    top: Path
    good: Path
    learned: list[str]
    judged: list[LabeledImages]
    masks: int
    notes: list[str]

    @property
    def kinds(self) -> list[str]:
        return sorted({one.kind for one in self.judged} - {"good", UNLABELED})

    @property
    def summary(self) -> str:
        """One line: how many pictures are learned from, judged by kind, and masks."""
        count = Counter(one.kind for one in self.judged)
        told = [f"{len(self.learned)} normal to learn from"]
        told += [f"{count['good']} normal to test"] if count["good"] else []
        kinds = ", ".join(f"{kind} {count[kind]}" for kind in self.kinds)
        told += [f"{sum(count[kind] for kind in self.kinds)} anomalous ({kinds})"] if kinds else []
        told += [f"{count[UNLABELED]} to test without a label"] if count[UNLABELED] else []
        told += [f"{self.masks} masks"] if self.masks else []
        return f"{self.top}: {', '.join(told)}"

    def open(self, **how: Any) -> Data:
        """The normal pictures to learn from, as open_pictures opens them; summary and notes are among its notes."""
        if role_of(self.good) == "masks":
            raise BadInput(f"{self.good}: is a folder of masks by its name; name a folder of normal pictures")
        if not self.learned and self.masks:
            raise BadInput(f"{self.top}: every picture is marked by a mask, so there is no normal one to learn from")
        data = open_pictures(self.good, names=self.learned, **how)
        data.notes[:0] = [self.summary, *self.notes]
        return data


@dataclass(frozen=True)
class Branch:
    """A folder of pictures: the kind that its name says, or None, and the part (train, test, …) it lies in, or None."""

    folder: Path
    kind: str | None
    part: str | None


def anomaly_folders(folder: Path) -> AnomalyFolders:
    """The layout that `folder` is the top, the training or the normal part of; in any other folder all are normal.

    Where names tell no kinds, masks do: a picture whose mask marks something is anomalous.
    """
    for top in tops(folder):
        branches = list(branches_of(top))
        learned = [one for one in branches if one.kind == "good" and one.part in (None, "train")]
        if not learned:  # what the training part holds is normal, whatever its folders are called
            learned = [one for one in branches if one.part == "train" and one.kind is None]
            known = {path.name for one in learned for path in subfolders(one.folder)}
            branches = [replace(one, kind="good") if one.kind in known else one for one in branches]
        apart = any(one.kind == "good" or one.part == "test" for one in branches)
        if apart and any(folder == top or one.folder.is_relative_to(folder) for one in learned):
            return sorted_out(top, learned, branches)
    alone = Branch(folder, None, None)
    return sorted_out(folder, [alone], [alone])


def tops(folder: Path) -> list[Path]:
    """The folder, and those above it as long as its name says that it is a part of something; the highest first."""
    found = [folder]
    while found[0].name.lower() in CLIMBED and found[0].parent != found[0]:
        found.insert(0, found[0].parent)
    return found


def branches_of(folder: Path, part: str | None = None) -> Iterator[Branch]:
    """The folders below that hold pictures of one kind; beside folders of parts no others count."""
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


def sorted_out(top: Path, learned: Sequence[Branch], branches: Sequence[Branch]) -> AnomalyFolders:
    """Each picture of the branches with its kind and masks; where no part is set apart to test, all others are."""
    index, pictures = MaskIndex(), dict[Branch, list[Path]]()
    for root in {top, top.parent if role_of(top) == "test" else top}:
        for place in mask_folders(root):
            masks = [place / name for name in find_pictures(place)[0]]
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
        beside = masks_among(branch.folder, names)
        index.add(top, (branch.folder / name for name in beside))
        pictures[branch] = [branch.folder / name for name in sorted(set(names) - set(beside))]

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
    if several := shared(one.masks for one in judged):
        notes.append(f"{len(several)} masks are left out, as each fits several pictures: {min(several)}")
        judged = [replace(one, masks=tuple(path for path in one.masks if path not in several)) for one in judged]
    good = Path(os.path.commonpath([one.folder for one in learned]))
    names = sorted(path.relative_to(good).as_posix() for path in normal)
    return AnomalyFolders(top, good, names, judged, len(index.files), notes)


def kinds_of(branch: Branch, pictures: Sequence[tuple[Path, tuple[Path, ...]]]) -> list[LabeledImages]:
    """The pictures of a branch with their kinds: by its folder's name, or else by their masks, if any has one."""
    if branch.kind is not None:
        return [LabeledImages(path, branch.kind, () if branch.kind == "good" else masks) for path, masks in pictures]
    if not any(masks for _, masks in pictures):
        kind = UNLABELED if branch.part == "test" else "good"
        return [LabeledImages(path, kind) for path, _ in pictures]
    with ThreadPoolExecutor() as pool:
        marked = list(pool.map(marks, [masks for _, masks in pictures]))
    return [
        LabeledImages(path, MARKED, masks) if bad else LabeledImages(path, "good")
        for (path, masks), bad in zip(pictures, marked, strict=True)
    ]


def marks(masks: Sequence[Path]) -> bool:
    """Whether any mask marks something; one that cannot be read may."""
    try:
        return bool(masks) and bool(read_mask(masks).any())
    except BadInput:
        return True
