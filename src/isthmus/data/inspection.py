"""Good parts and bad ones in folders, as people have them: what is learned from, what is judged, and the masks.

Known are MVTec's way (train/good, test/KIND, ground_truth/KIND), good/ beside folders of what is bad, and a folder of
good ones alone. `good` may also be called ok, normal or free. The top folder may be named, or that of the good ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from isthmus.data.folders import find_pictures

GOOD = ("good", "ok", "normal", "free")
MASKS = ("ground_truth", "masks", "mask")


@dataclass(frozen=True)
class Judged:
    """One picture that is to be judged: what is wrong with it (good: nothing), and where, if a mask says so."""

    path: Path
    kind: str
    mask: Path | None = None


@dataclass(frozen=True)
class Inspection:
    """top: what everything lies below. good: the folder that is learned from. judged: what is set apart to judge."""

    top: Path
    good: Path
    judged: list[Judged] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        return sorted({one.kind for one in self.judged} - {"good"})


def inspected(folder: Path) -> Inspection:
    """The layout that `folder` is the top, the training or the good part of; in any other folder all are good."""
    for top in (folder, folder.parent, folder.parent.parent):
        train, test = top / "train", top / "test"
        if (good := good_in(train)) and folder in (top, train, good):
            found = [one for kind in subfolders(test) for one in of_kind(top, kind)] if test.is_dir() else []
            return Inspection(top, good, found)
    for top in (folder, folder.parent):
        if (good := good_in(top)) and folder in (top, good):
            bad = [kind for kind in subfolders(top) if kind != good and kind.name.lower() not in MASKS]
            return Inspection(top, good, [one for kind in bad for one in of_kind(top, kind)])
    return Inspection(folder, folder)


def good_in(folder: Path) -> Path | None:
    """The folder below that holds the good ones."""
    return next((kind for kind in subfolders(folder) if kind.name.lower() in GOOD), None)


def subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def of_kind(top: Path, folder: Path) -> list[Judged]:
    """The pictures of one kind with their masks, which are not pictures to judge themselves."""
    kind = "good" if folder.name.lower() in GOOD else folder.name
    names = find_pictures(folder)[0]
    masks = {name: mask for name in names if (mask := mask_of(top, folder, name, names))}
    beside = {mask.relative_to(folder).as_posix() for mask in masks.values() if mask.is_relative_to(folder)}
    return [Judged(folder / name, kind, masks.get(name)) for name in names if name not in beside]


def mask_of(top: Path, folder: Path, name: str, names: list[str]) -> Path | None:
    """The mask of a picture: NAME_mask.png or NAME.png below ground_truth/KIND or masks/KIND, or beside it."""
    path = Path(name)
    for stem in (f"{path.stem}_mask", path.stem):
        wanted = str(path.with_name(f"{stem}.png"))
        for place in MASKS:
            if (found := top / place / folder.name / wanted).is_file():
                return found
        if wanted != name and wanted in names:
            return folder / wanted
    return None
