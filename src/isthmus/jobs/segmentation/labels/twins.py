"""Pictures and masks of one name in one folder, such as a.tif and a.png, told apart by their pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from isthmus.data.mask_files import are_masks
from isthmus.errors import BadInput


def by_pixels(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """The label file of each picture, among names of which two differ in their suffix alone; {} if no two do.

    Raises BadInput if the files of both suffixes have few values, as masks have, or those of neither.
    """
    stems: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        stems[str(PurePosixPath(name).with_suffix("")).lower()].append(name)
    twins = [sorted(pair) for pair in stems.values() if len(pair) == 2]
    kinds: defaultdict[str, list[Path]] = defaultdict(list)
    for name in (name for pair in twins for name in pair):
        kinds[suffix_of(name)].append(folder / name)
    flat = {suffix for suffix, paths in kinds.items() if are_masks(paths)}
    found = {}
    for pair in twins:
        masks = [name for name in pair if suffix_of(name) in flat]
        if len(masks) != 1:
            looks = "both have" if masks else "neither has"
            raise BadInput(
                f"{folder}: {pair[0]} and {pair[1]} may be picture and mask, but {looks} few values; accepted are "
                "masks with _mask behind their name, or in a folder of their own"
            )
        found[next(name for name in pair if name not in masks)] = masks[0]
    return found


def suffix_of(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
