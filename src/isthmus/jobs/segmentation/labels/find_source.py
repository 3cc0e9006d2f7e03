"""The kind of label files at a path: masks as images, one mask for each object, COCO JSON or LabelMe JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from isthmus.errors import BadInput
from isthmus.jobs.segmentation.labels.coco import Coco
from isthmus.jobs.segmentation.labels.labelme import LabelMe, is_labelme
from isthmus.jobs.segmentation.labels.sources import MaskFiles, ObjectMasks, Raw, Source, find_masks
from isthmus.media.high_bit_depth import upright
from isthmus.media.image_reader import open_image, peek
from isthmus.media.label_image import refuse_format

ACCEPTED = "accepted are a folder of masks (.png, .tif, .npy), COCO JSON and LabelMe JSON"


def find_source(path: Path, folder: Path, images: Sequence[str]) -> Source:
    """The labels at `path` of `images` below `folder`. Raises BadInput if there are none."""
    refuse_format(path)
    if not path.exists():
        raise BadInput(f"{path}: no such file or folder; {ACCEPTED}")
    if path.is_file():
        if path.suffix.lower() == ".json":
            return LabelMe.open(path.parent, [path.name], images) if is_labelme(path) else Coco.open(path, images)
        if len(images) != 1:
            raise BadInput(f"{path}: one file for {len(images)} pictures; {ACCEPTED}")
        return MaskFiles(path.parent, {images[0]: path.name})
    finders: list[Callable[[Path, Path, Sequence[str]], Source | None]] = [find_masks, find_json]
    if path.resolve() == folder.resolve():  # JSON files beside the pictures are no accident
        finders.reverse()
    faults = []
    for find in finders:
        try:
            if (found := find(path, folder, images)) is not None:
                return found
        except BadInput as error:
            faults.append(error)
    raise faults[0] if faults else BadInput(f"{path}: holds no labels; {ACCEPTED}")


def find_json(path: Path, folder: Path, images: Sequence[str]) -> Coco | LabelMe | None:
    """The annotations in the JSON files of a folder; None if it has none.

    Raises BadInput for JSON of another content, and for several COCO files.
    """
    files = sorted(file.relative_to(path).as_posix() for file in path.rglob("*.json"))
    files = [name for name in files if not any(part.startswith(".") for part in PurePosixPath(name).parts)]
    if not files:
        return None
    if shapes := [name for name in files if is_labelme(path / name)]:
        return LabelMe.open(path, shapes, images)
    if len(files) > 1:
        raise BadInput(f"{path}: holds {len(files)} JSON files ({files[0]}, {files[1]}, …); name one COCO file")
    return Coco.open(path / files[0], images)


def labels_among(source: Source, folder: Path) -> set[str]:
    """The names, relative to the pictures, of label images that lie among them."""
    if not isinstance(source, (MaskFiles, ObjectMasks)) or source.folder.resolve() != folder.resolve():
        return set()
    groups = [[files] if isinstance(files, str) else files for files in source.files.values()]
    return {name for files in groups for name in files}


def read_raw(source: Source, folder: Path, name: str, size: tuple[int, int] | None = None) -> Raw:
    """The labels of a picture in its size. Labels drawn before EXIF turned the picture are turned as well.

    Raises BadInput for labels of another size.
    """
    header = peek(folder / name)
    wanted = size or (header.height, header.width)
    raw = source.read(name, (header.height, header.width))
    shape = raw.values.shape[:2]
    if shape != wanted and shape[::-1] == wanted and (turn := orientation(folder / name)) in (5, 6, 7, 8):
        parts = (raw.values, raw.instances, raw.void)
        values, numbers, void = (None if part is None else np.ascontiguousarray(upright(part, turn)) for part in parts)
        assert values is not None, "labels have values"
        raw = replace(raw, values=values, instances=numbers, void=void)
    if raw.values.shape[:2] != wanted:
        raise BadInput(
            f"{source.file(name)}: {shape[1]}×{shape[0]} pixels, and {folder / name} has {wanted[1]}×{wanted[0]}; "
            "labels of the size of the picture are accepted"
        )
    return raw


def orientation(path: Path) -> int:
    """The EXIF orientation of a picture, 1 without any."""
    with suppress(Exception), open_image(path) as image:
        return int(image.getexif().get(0x0112, 1))
    return 1
