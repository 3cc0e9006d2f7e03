"""One reading of all label files: their values, and whether these are classes, colors or numbers of objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from isthmus.data.mask_files import LOSSY
from isthmus.data.parallel import in_processes
from isthmus.errors import BadInput
from isthmus.jobs.segmentation.classes import Classes, Value, check_values, codes_of, packed, text_of, unpacked
from isthmus.jobs.segmentation.color_tables import Color
from isthmus.jobs.segmentation.label_sources import MaskFiles, ObjectMasks, Raw, Source

DENSE = 0.8  # numbers of objects are nearly consecutive in a file
CONNECTED = 1.2  # connected parts for each number of an object, on average
LEAST = {False: 8, True: 3}  # objects in some file by which maps of 8 bits, and of more, are known as such


@dataclass
class FileStats:
    """pixels: of each value, colors as `packed`. parts: connected parts of equal values, where they were counted."""

    file: str
    pixels: dict[int, int]
    channels: int = 1
    colorful: bool = False
    deep: bool = False
    palette: list[int] | None = None
    alpha: bool = False
    parts: int | None = None
    objects: int | None = None
    void: int = 0


def stats_of(raw: Raw, file: str, count_parts: bool) -> FileStats:
    codes, counts = np.unique(codes_of(raw.values), return_counts=True)
    pixels = dict(zip(codes.tolist(), counts.tolist(), strict=True))
    three = raw.values.ndim == 3
    stats = FileStats(file, pixels, 3 if three else 1, palette=raw.palette, alpha=raw.alpha)
    stats.colorful = three and any(len(set(unpacked(code))) > 1 for code in pixels)
    stats.deep = raw.values.dtype.itemsize > 1
    stats.void = 0 if raw.void is None else int(raw.void.sum())
    if raw.instances is not None:
        stats.objects = len(np.setdiff1d(raw.instances, [0]))
    elif not stats.colorful and (count_parts or (raw.palette is None and (len(pixels) > 2 or stats.deep))):
        from skimage.measure import label

        numbers = raw.values if raw.values.ndim == 2 else raw.values[..., 0]
        stats.parts = int(label(numbers, background=0, connectivity=2).max())
    return stats


@dataclass
class Scan:
    """What the label files of a source hold. `decide` sets kind, numbers (of objects), connected and has_instances."""

    source: Source
    shown: str
    files: list[FileStats]
    given: Classes | None = None
    ignore: Value | None = None
    table: dict[str, Color] | None = None
    must: bool = False  # the table was named by the user
    kind: str = "values"
    numbers: bool = False
    connected: bool = False
    has_instances: bool = False
    counts: dict[int, list[int]] = field(default_factory=dict)  # pixels and files of each value

    def decide(self, *, instances: bool, as_classes: bool, unknown: str = "error") -> None:
        """Raises BadInput for colors without a table, and for a value that is no class."""
        own = all(file.objects is not None for file in self.files)
        if self._has_colors():
            self.kind = "colors"
        elif isinstance(self.source, ObjectMasks):
            self.kind = "instances"
        elif not own and not as_classes:
            wanted = instances or (self.given is not None and self.given.kind == "instances")
            several = self.given is not None and self.given.kind == "values" and len(self.given) > 2
            self.numbers = not several and self._are_numbers(wanted)
            self.kind = "instances" if self.numbers else "values"
        self.connected = instances and not own and not self.numbers
        self.has_instances = own or self.numbers or instances
        self._count()
        self._check_known(unknown)

    def _has_colors(self) -> bool:
        colorful = [file for file in self.files if file.colorful]
        if self.given is not None:
            if colorful and self.given.kind != "colors":
                raise BadInput(f"{colorful[0].file}: a mask of colors, but the run has one number for each class")
            return self.given.kind == "colors"
        if colorful and self.table is None:
            raise BadInput(self._without_table(colorful))
        if self.table is None or self.must or colorful:
            return self.table is not None
        known, indexed = {packed(color) for color in self.table.values()}, [f for f in self.files if f.palette]
        return len(indexed) == len(self.files) and all(self._colors_of(file).keys() <= known for file in indexed)

    def _without_table(self, files: list[FileStats]) -> str:
        pixels = Counter[int]()
        for file in files:
            pixels.update(file.pixels)
        shown = "; ".join(text_of(unpacked(code)) for code, _ in pixels.most_common(8)) + (
            "; …" if len(pixels) > 8 else ""
        )
        return (
            f"{self.shown}: masks of {len(pixels)} colors ({shown}) without a table of them; accepted is colors=FILE, "
            "or a file labelmap.txt beside the masks, with lines such as `road:128,64,128`"
        )

    @staticmethod
    def _colors_of(file: FileStats) -> dict[int, int]:
        """The pixels of a file by color: of gray the gray color, of a palette its colors."""
        colors = Counter[int]()
        for code, count in file.pixels.items():
            if file.palette:
                code = packed((*file.palette[3 * code : 3 * code + 3], 0, 0, 0)[:3])
            elif file.channels == 1:
                code = packed((code, code, code)) if code < 256 else -1
            colors[code] += count
        return colors

    def _values_of(self, file: FileStats) -> dict[int, int]:
        if self.kind == "colors":
            return self._colors_of(file)
        return file.pixels if file.channels == 1 else {code & 255: count for code, count in file.pixels.items()}

    def _are_numbers(self, wanted: bool) -> bool:
        """Whether the values are numbers of objects: nearly consecutive from 1, different from file to file, each one
        connected part; or too many to be classes. Few objects in 8 bits are only taken so if `wanted`.
        """
        if any(file.palette for file in self.files):
            return False
        kept = [[code for code in self._values_of(file) if code not in (0, self.ignore)] for file in self.files]
        total, highs = sum(map(len, kept)), [max(codes, default=0) for codes in kept]
        different = set().union(*kept)
        parts = sum(
            file.parts if file.parts is not None else len(codes) for file, codes in zip(self.files, kept, strict=True)
        )
        if len(different) < 2 or min(different) < 0 or parts > CONNECTED * total:
            return False
        least = 2 if wanted else LEAST[any(file.deep for file in self.files)]
        if len(different) > 255:
            return True
        return max(highs) >= least and total >= DENSE * sum(highs) and (len(set(highs)) > 1 or len(highs) == 1)

    def _count(self) -> None:
        for file in self.files:
            values: Mapping[int, int] = self._values_of(file)
            if self.kind == "instances":
                objects = Counter[int]()
                for code, count in values.items():
                    objects[code if code in (0, self.ignore) else 1] += count
                values = objects
            for code, count in values.items():
                entry = self.counts.setdefault(code, [0, 0])
                entry[0] += count
                entry[1] += 1

    def _check_known(self, unknown: str) -> None:
        known: set[int] | None = None
        if self.kind == "colors" and self.table is not None and self.given is None:
            known, end = {packed(color) for color in self.table.values()}, "is not in the table of colors"
        elif self.given is not None and self.given.kind != "instances" and self.kind != "instances":
            known, end = {packed(value) for value in self.given.values}, "is no class of the run"
            known |= {0, 1, 255} if self.given.two else set()
            known |= set() if self.given.ignore is None else {packed(self.given.ignore)}
        if known is None or unknown == "ignore":
            return
        known |= set() if self.ignore is None else {packed(self.ignore)}
        for file in self.files:
            strange = {code: count for code, count in self._values_of(file).items() if code not in known}
            if strange:
                code = max(strange, key=lambda each: strange[each])
                kind, value = ("color", text_of(unpacked(code))) if self.kind == "colors" else ("value", str(code))
                several = sum(bool(self._values_of(other).keys() - known) for other in self.files)
                more = f" (and {several - 1} more files hold such)" if several > 1 else ""
                raise BadInput(
                    f"{file.file}: {kind} {value} in {strange[code]:,} pixels {end}"
                    f"{more}; ignore={value} leaves its pixels out"
                )

    def classes(self) -> Classes:
        """The classes of all files. Raises BadInput for one class alone, soft edges, and too many values."""
        ignored = None if self.ignore is None else packed(self.ignore)
        used = {code: entry for code, entry in self.counts.items() if code != ignored}
        void = sum(file.void for file in self.files)
        kinds: dict[str, int] = getattr(self.source, "kinds", {})
        names: list[str] = []
        if self.kind == "colors":
            assert self.table is not None, "colors without a table are refused before"
            named = {packed(color): name for name, color in self.table.items() if packed(color) != ignored}
            codes, names = list(named), list(named.values())
        elif self.kind == "instances":
            codes, names = [0, 1], ["background", "object"]
        elif kinds:
            codes = [0, *kinds.values()]
            names = ["background", *kinds]
        else:
            lossy = any(file.file.lower().endswith(LOSSY) for file in self.files)
            check_values({code: entry[0] for code, entry in used.items()}, self.shown, lossy)
            codes = sorted(used)
        seen = [code for code in codes if code in used]
        if len(seen) < 2:
            shown = names[codes.index(seen[0])] if names and seen else seen[0] if seen else "nothing"
            raise BadInput(
                f"{self.shown}: all pixels of its {len(self.files)} label files are of one class ({shown}); "
                "labels of two or more classes are accepted"
            )
        counts = [self.counts.get(code, [0, 0]) for code in codes]
        counts.append(
            [void, sum(file.void > 0 for file in self.files)] if ignored is None else self.counts.get(ignored, [0, 0])
        )
        palettes = [file.palette for file in self.files]
        palette = palettes[0] if self.kind == "values" and all(palettes) else None
        values: list[Any] = [unpacked(code) for code in codes] if self.kind == "colors" else list(codes)
        pixels, files = (list(column) for column in zip(*counts, strict=True))
        return Classes(values, names, self.ignore, self.kind, palette, pixels, files)

    def notes(self, known: Classes) -> list[str]:
        notes = []
        if count := sum(file.alpha for file in self.files):
            notes.append(f"{self.shown}: {count} label files have an alpha channel, which is not used")
        others = [value for value in known.values if value != 255]
        numbered = others == list(range(len(others))) or known.palette
        if self.given is None and self.kind == "values" and 255 in known.values and len(others) > 1 and numbered:
            notes.append(
                f"{self.shown}: value 255 is taken as a class; if it marks pixels without a class, as in PASCAL VOC, "
                "ignore=255 leaves them out"
            )
        left: dict[str, int] = getattr(self.source, "left", {})
        if left:
            kinds = ", ".join(f"{count} of kind {kind}" for kind, count in left.items())
            notes.append(f"{self.shown}: shapes without an area are left out ({kinds})")
        return notes

    def understood(self) -> str:
        """The format in one line."""
        count = max(1, len(self.files))
        if self.has_instances and not (self.connected or self.numbers):
            objects = sum(file.objects or 0 for file in self.files) / count
        elif self.connected:
            objects = sum(file.parts or 0 for file in self.files) / count
        else:
            objects = sum(len(self._values_of(file).keys() - {0, self.ignore}) for file in self.files) / count
        average = f"{objects:.0f} on average"
        kinds = len(getattr(self.source, "kinds", {}))
        if kinds:
            form = type(self.source).__name__.replace("Coco", "COCO")
            return (
                f"{self.shown}: {form} JSON of {kinds} {'category' if kinds == 1 else 'categories'}, objects: {average}"
            )
        if isinstance(self.source, ObjectMasks):
            return f"{self.shown}: one mask for each object ({average})"
        form = self._format()
        if self.numbers:
            return f"{self.shown}: {form} with one number for each object ({average})"
        classes = self.given or self.classes()
        values = ", ".join(text_of(value) for value in classes.values[:6]) + (", …" if len(classes) > 6 else "")
        text = f"{self.shown}: {form} with {len(classes)} {self.kind} ({values})"
        return f"{text}; the objects are connected parts ({average})" if self.connected else text

    def _format(self) -> str:
        names = self.source.files.values() if isinstance(self.source, MaskFiles) else []
        kinds = "/".join(sorted({PurePosixPath(name).suffix[1:].upper().replace("TIFF", "TIF") for name in names}))
        if self.kind == "colors":
            return f"color {kinds}"
        if all(file.palette for file in self.files):
            return f"palette {kinds}"
        return f"{'16-bit' if any(file.deep for file in self.files) else '8-bit'} {kinds}"


def scan(
    source: Source,
    read: Callable[[str], Raw],
    shown: Path,
    *,
    count_parts: bool,
    given: Classes | None = None,
    ignore: Value | None = None,
    table: dict[str, Color] | None = None,
    must: bool = False,
) -> Scan:
    """Read the labels of all pictures of `source` by `read`; count_parts: also the connected parts of two values."""
    files = in_processes(lambda name: stats_of(read(name), source.file(name), count_parts), list(source.names))
    ending = "/" if shown.is_dir() else ""
    return Scan(source, f"{str(shown).rstrip('/')}{ending}", files, given, ignore, table, must)
