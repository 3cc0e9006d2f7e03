"""Roles of folders by their names (normal, train, test, masks …): one table for every layout."""

from __future__ import annotations

import re
from pathlib import Path

NORMAL = ("good", "ok", "normal", "free")  # also as one word of a longer name: MT_Free, ok_front
ROLES = {
    **dict.fromkeys(("ground_truth", "groundtruth", "gt", "masks", "mask"), "masks"),
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("validation", "val"), "validation"),
    **dict.fromkeys(("data", "images", "image"), "holder"),  # of folders of kinds, like VisA's Data/Images
}
PARTS = ("train", "test", "validation", "holder")


def role_of(folder: Path) -> str | None:
    """masks, one of PARTS, good, or None: a kind of defect, or an unrelated folder."""
    name = folder.name.lower()
    words = set(re.split(r"[\s_-]+", name))
    return ROLES.get(name) or ("good" if words & set(NORMAL) and not words & {"not", "no", "non"} else None)


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted, without hidden ones."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
