"""Pictures and their label files, matched by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

from isthmus.data.folder_roles import ROLES
from isthmus.data.mask_files import ENDINGS, LOSSY
from isthmus.errors import BadInput

# Also 0001TP_006690_L.png of CamVid, 21_manual1.gif of DRIVE, ISIC_0000000_segmentation.png.
LABEL_ENDINGS = (*ENDINGS, "_segmentation", "_manual1", "_1stho", "_l")
IMAGE_ENDINGS = ("_image", "_img", "_im", "_training")  # 000_img.png of Cellpose, 21_training.tif of DRIVE
LABELS = ("labels", "label", "segmentation", "segmentations", "annotations", "seg", "annots")  # folders, besides ROLES

Key = tuple[str, ...]
ANYWHERE = ""  # the first part of a key of the file name alone


def match(images: Sequence[str], labels: Sequence[str], together: bool) -> tuple[dict[str, str], list[str]]:
    """(label file of each picture, label files without a picture), all as relative names.

    The stems are equal, or become equal without an ending such as _mask, _labels or _cp_masks, or _img of a picture.
    The folders are equal except for names such as images, masks or labels, or the stem is the one of a single file.
    together: both are names below one folder. There, files with such an ending or folder are the labels; without any,
    of two files with one stem the losslessly compressed one. Raises BadInput if two label files fit a picture.
    """
    if together:
        marked = [name for name in labels if in_labels(name) or without(stem_of(name), LABEL_ENDINGS) != stem_of(name)]
        matched, unused = _match(images, marked, together)
        if matched:
            return matched, unused
    if together and set(labels) <= set(images):  # each file may be a picture or a mask
        lossy = {name for name in images if PurePosixPath(name).suffix.lower() in LOSSY}
        images, labels = sorted(lossy), [name for name in labels if name not in lossy]
    return _match(images, labels, together)


def _match(images: Sequence[str], labels: Sequence[str], together: bool) -> tuple[dict[str, str], list[str]]:
    exact = _by_key(labels, lambda stem: stem)
    stripped = _by_key(labels, lambda stem: without(stem, LABEL_ENDINGS))
    matched: dict[str, str] = {}
    for image in images:
        stem = stem_of(image)
        bare, here = without(stem, IMAGE_ENDINGS), folders_of(image)
        keys = dict.fromkeys([("/", *here, stem), ("/", *here, bare), (ANYWHERE, stem), (ANYWHERE, bare)])
        for key, table in ((key, table) for key in keys for table in (exact, stripped)):
            found = [name for name in table.get(key, []) if name != image or not together]
            if len(found) > 1 and key[0] != ANYWHERE:
                raise BadInput(f"{image}: has two label files ({found[0]}, {found[1]}); one is accepted")
            if len(found) == 1:
                matched[image] = found[0]
                break
    used = set(matched.values())
    for image in [
        image for image in matched if together and image in used
    ]:  # a_mask.png, in the folder of a.png, is no picture
        del matched[image]
    return matched, [name for name in labels if name not in used]


def _by_key(names: Iterable[str], shorten: Callable[[str], str]) -> dict[Key, list[str]]:
    table: defaultdict[Key, list[str]] = defaultdict(list)
    for name in names:
        stem = shorten(stem_of(name))
        table["/", *folders_of(name), stem].append(name)
        table[ANYWHERE, stem].append(name)
    return table


def stem_of(name: str) -> str:
    """The file name in lower case, without its suffix."""
    return PurePosixPath(name).stem.lower()


def without(stem: str, endings: Sequence[str]) -> str:
    return next((stem.removesuffix(end) for end in endings if stem.endswith(end) and stem != end), stem)


def folders_of(name: str) -> Key:
    """The folders of a relative name in lower case, without those whose names say images or labels."""
    parts = [part.lower() for part in PurePosixPath(name).parts[:-1]]
    return tuple(part for part in parts if not names_labels(part) and ROLES.get(part) != "holder")


def in_labels(name: str) -> bool:
    return any(names_labels(part) for part in PurePosixPath(name).parts[:-1])


def names_labels(folder: str) -> bool:
    return folder.lower() in LABELS or ROLES.get(folder.lower()) == "masks"


def listed(names: Sequence[str]) -> str:
    """The first three names, and an ellipsis for the others."""
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
