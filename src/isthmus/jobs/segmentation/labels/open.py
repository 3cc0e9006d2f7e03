"""open_labels: label maps of pictures from masks as images, one mask for each object, COCO JSON or LabelMe JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.errors import BadInput
from isthmus.jobs.segmentation.classes import BACKGROUND, Classes, Value
from isthmus.jobs.segmentation.labels.color_tables import color_table, table_beside
from isthmus.jobs.segmentation.labels.find_source import find_source, labels_among, read_raw
from isthmus.jobs.segmentation.labels.names import listed
from isthmus.jobs.segmentation.labels.scan import scan
from isthmus.jobs.segmentation.labels.sources import MaskFiles, Source
from isthmus.jobs.segmentation.objects import regions_of_classes
from isthmus.metrics.segmentation import IGNORE

LARGEST = 2**20  # number of an object; what measures objects keeps an entry for each number


@dataclass(frozen=True)
class LabelMap:
    """classes: H×W uint8 class numbers, IGNORE for pixels without a class.

    instances: H×W int32, the number of the object of each pixel, 0 for the background; None without objects.
    """

    classes: np.ndarray
    instances: np.ndarray | None = None


@dataclass
class Labels:
    """The labels of pictures; `read` reads one, and only the table of classes is kept in memory.

    matched: the pictures that have labels. unmatched: pictures without labels, and label files without a picture.
    understood: the format in one line. notes: sentences for the user. unknown: of `Classes.encode`.
    """

    source: Source
    folder: Path
    matched: list[str]
    unmatched: tuple[list[str], list[str]]
    classes: Classes
    has_instances: bool
    connected: bool  # objects are the connected parts of the classes
    numbered: bool  # the source returns class numbers
    understood: str
    notes: list[str] = field(default_factory=list)
    unknown: str = "error"

    @property
    def reading(self) -> str:
        """The format in one line, and the table of value, class, pixels and files below it."""
        return "\n  ".join([self.understood, *self.classes.describe()])

    def read(self, name: str, size: tuple[int, int] | None = None) -> LabelMap:
        """The labels of a picture, upright as the picture is read.

        size: height and width that they must have; default: those of the picture. Raises BadInput for a picture without
        labels, for labels of another size, for a value that is no class, and for a file that cannot be read.
        """
        if name not in self.source.names:
            raise BadInput(f"{self.folder / name}: has no labels")
        raw = read_raw(self.source, self.folder, name, size)
        values = raw.values[..., 0] if raw.values.ndim == 3 and self.classes.kind != "colors" else raw.values
        numbers = raw.instances
        if self.has_instances and not self.connected and numbers is None:
            numbers = objects_of(values, self.classes.ignore)
            if self.classes.kind != "instances":  # a run on two values, evaluated on numbers of objects
                values = np.asarray(self.classes.values)[(numbers != 0).astype(int)]
        if self.numbered:
            classes = values.astype(np.uint8)
        else:
            classes = self.classes.encode(values, self.source.file(name), self.unknown)
        if raw.void is not None:
            classes[raw.void] = IGNORE
        if self.has_instances and self.connected:
            numbers = regions_of_classes(classes, self.classes.background)
        return LabelMap(classes, numbers)


def open_labels(
    source: Path | str,
    images: Sequence[str],
    folder: Path | str,
    *,
    ignore: Any = None,
    colors: Mapping[str, Any] | Path | str | None = None,
    classes: Classes | None = None,
    instances: bool = False,
    numbers: bool = False,
    as_classes: bool = False,
    soft: bool = False,
    unknown: str = "error",
    background: str = "auto",
) -> Labels:
    """Open the labels of `images`, the names of pictures relative to `folder`.

    source: a folder of label maps (PNG of 1, 8 or 16 bits, palette PNG, color PNG, TIFF, .npy) matched by name, which
    may be `folder` itself; a folder of one mask for each object (NAME/masks/*.png or masks/NAME/*.png); a COCO JSON
    file; or a folder of LabelMe JSON files. Every file is read once, for the table of its values.

    ignore: the value, or the color, of pixels without a class. colors: names to colors, or a file of them; default: one
    beside the masks. classes: of a trained run, whose values must be the ones of the files; `ignore` replaces
    theirs. instances: separate objects; the connected parts of a class, where the files do not separate them. Label
    maps with a number for each object are recognized, unless `as_classes`; with `numbers` all label maps are such.
    soft: label maps of soft edges or of JPEG are of two classes, below and above half. unknown: "error", or "ignore"
    for pixels of a value that is no class. background: of Classes.empty, for a training.

    Raises BadInput, one line that names the file, the fault and what is accepted.
    """
    source, folder = Path(source), Path(folder)
    opened = find_source(source, folder, images)
    ignore = parsed_value(ignore)
    if classes is not None:
        ignore = classes.ignore if ignore is None else ignore
        classes = classes if ignore == classes.ignore else replace(classes, ignore=ignore)
    if opened.kinds and classes is not None:
        opened.kinds = numbers_by_name(opened, classes, source, unknown)
        opened.empty = IGNORE if classes.background is None else classes.background
    soft = soft or (classes is not None and classes.soft)
    if isinstance(opened, MaskFiles):
        opened.soft = soft
    beside = table_beside(opened.folder) if isinstance(opened, MaskFiles) and colors is None else colors
    table = None if beside is None or soft else color_table(beside)
    found = scan(
        opened,
        lambda name: read_raw(opened, folder, name),
        source,
        count_parts=instances,
        given=classes,
        ignore=ignore,
        table=table,
        must=colors is not None,
    )
    found.decide(instances=instances or numbers, numbers=numbers, as_classes=as_classes, unknown=unknown)
    if isinstance(opened, MaskFiles):
        opened.colors = found.kind == "colors"
    known = found.counted(classes or replace(found.classes(), empty=background, soft=soft))
    matched = list(opened.names)
    without = sorted(set(images) - set(matched) - labels_among(opened, folder))
    notes = found.notes(known)
    for names, said in (
        (without, "pictures without labels, which are left out"),
        (opened.unused, "label files without a picture"),
    ):
        if names:
            notes.append(f"{source}: {said}: {len(names)} ({listed(names)})")
    return Labels(
        opened,
        folder,
        matched,
        (without, list(opened.unused)),
        known,
        found.has_instances,
        found.connected,
        bool(opened.kinds) and classes is not None,
        found.understood(known),
        notes,
        unknown,
    )


def objects_of(values: np.ndarray, ignore: Any) -> np.ndarray:
    """H×W int32: the numbers of objects, counted anew if they are large; 0 for the background and `ignore`."""
    if ignore is not None:
        values = np.where(values == ignore, 0, values)
    if values.min() < 0 or values.max() > LARGEST:
        known, places = np.unique(values, return_inverse=True)
        numbers = np.cumsum(known != 0).astype(np.int32)
        numbers[known == 0] = 0
        return numbers[places.reshape(values.shape)]
    return values.astype(np.int32)


def numbers_by_name(source: Source, classes: Classes, shown: Path, unknown: str) -> dict[str, int]:
    """The class numbers of a run for the names of annotations. Raises BadInput for a name that is no class."""
    known = {name: number for number, name in enumerate(classes.names)}
    known |= {name: classes.background for name in BACKGROUND if classes.background is not None and name not in known}
    found = {}
    for name, value in source.kinds.items():
        if classes.kind == "instances":
            found[name] = int(value != source.empty)
        elif name in known:
            found[name] = known[name]
        elif source.numbered and str(value) in known:  # a run on label maps, whose names are values
            found[name] = known[str(value)]
        elif unknown == "ignore":
            found[name] = IGNORE
        else:
            raise BadInput(
                f"{shown}: category {name!r} is no class of the run; the classes are {', '.join(classes.names)}"
            )
    return found


def parsed_value(value: Any) -> Value | None:
    """A number, or a color such as "0,0,0", of an option. Raises BadInput for other text."""
    if value is None or isinstance(value, int):
        return value
    try:
        numbers = [int(part) for part in (value.split(",") if isinstance(value, str) else value)]
    except (TypeError, ValueError) as error:
        raise BadInput(f"ignore={value}: a value such as 255, or a color such as 0,0,0, is accepted") from error
    if len(numbers) == 3:
        return numbers[0], numbers[1], numbers[2]
    if len(numbers) != 1:
        raise BadInput(f"ignore={value}: a value such as 255, or a color such as 0,0,0, is accepted")
    return numbers[0]
