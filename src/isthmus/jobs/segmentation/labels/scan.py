"""One reading of all label files: whether their values are classes, colors or numbers of objects, and their table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.mask_files import LOSSY
from isthmus.data.parallel import in_processes
from isthmus.errors import BadInput
from isthmus.jobs.segmentation.classes import Classes, Value, check_values, packed, text_of, unpacked
from isthmus.jobs.segmentation.labels.color_tables import Color
from isthmus.jobs.segmentation.labels.names import listed
from isthmus.jobs.segmentation.labels.sources import Raw, Source
from isthmus.jobs.segmentation.labels.stats import FileStats, stats_of

DENSE = 0.8  # numbers of objects are nearly consecutive in a file
CONNECTED = 1.2  # connected parts for each number of an object, on average
LEAST = {False: 8, True: 3}  # objects in some file by which maps of 8 bits, and of more, are known as such


@dataclass
class Scan:
    """The statistics of all label files of a source, and their kind, which `decide` sets.

    given: classes of a trained run. table: names to colors; must: it was named by the user. numbers: the values are
    numbers of objects. connected: objects are the connected parts of a class. pixels: of each value, in all files.
    """

    source: Source
    shown: str
    files: list[FileStats]
    given: Classes | None = None
    ignore: Value | None = None
    table: dict[str, Color] | None = None
    must: bool = False
    kind: str = "values"
    numbers: bool = False
    connected: bool = False
    has_instances: bool = False
    pixels: Counter[int] = field(default_factory=Counter)

    def decide(self, *, instances: bool, as_classes: bool, unknown: str, numbers: bool = False) -> None:
        """Raises BadInput for colors without a table, and for a value that is no class."""
        own = all(file.objects is not None for file in self.files)
        if self._are_colors():
            self.kind = "colors"
            self.ignore = (self.ignore,) * 3 if isinstance(self.ignore, int) else self.ignore
        elif own:
            self.kind = "values" if self.source.kinds else "instances"
        elif not as_classes:
            self.numbers = numbers or self._are_numbers(instances)
            self.kind = "instances" if self.numbers else "values"
        self.connected = instances and not own and not self.numbers
        self.has_instances = own or self.numbers or instances
        for file in self.files:
            self.pixels.update(self.values_of(file))
        if unknown != "ignore":
            self._check_known()

    def _are_colors(self) -> bool:
        """Raises BadInput for colors without a table of them, or for a run on values."""
        colorful = [file for file in self.files if file.colorful]
        if self.source.kinds:
            return False
        if self.given is not None:
            if colorful and self.given.kind != "colors":
                raise BadInput(f"{colorful[0].file}: a mask of colors, but the run has one number for each class")
            return self.given.kind == "colors"
        if colorful and self.table is None:
            pixels = Counter[int]()
            for file in colorful:
                pixels.update(file.pixels)
            shown = "; ".join(text_of(unpacked(code)) for code, _ in pixels.most_common(8))
            more = "; …" if len(pixels) > 8 else ""
            where = self.shown if len(colorful) == len(self.files) else colorful[0].file
            raise BadInput(
                f"{where}: masks of {len(pixels)} colors ({shown}{more}) without a table of them; accepted is "
                "colors=FILE, or a file labelmap.txt beside the masks, with lines such as `road:128,64,128`"
            )
        if self.table is None or self.must or colorful:
            return self.table is not None
        known = {packed(color) for color in self.table.values()}
        return all(file.palette and file.colors().keys() <= known for file in self.files)

    def _are_numbers(self, instances: bool) -> bool:
        """Whether the values are numbers of objects: nearly consecutive from 1, different from file to file, each one
        connected part; or too many to be classes. Few objects in 8 bits count only on request. For a run of objects all
        values are numbers, but a single one.
        """
        given = None if self.given is None else self.given.kind
        palette = any(file.palette for file in self.files)  # of PASCAL VOC, also of its objects
        if (palette and not instances) or (self.given and given == "values" and len(self.given) > 2):
            return False
        kept = [[code for code in file.values() if code not in (0, self.ignore)] for file in self.files]
        total, highs, different = sum(map(len, kept)), [max(each, default=0) for each in kept], set[int]().union(*kept)
        parts = sum(file.parts or 0 for file in self.files)
        if len(different) < 2 or min(different) < 0:
            return False
        if given == "instances":
            return True
        if parts > CONNECTED * total:
            return False
        if len(different) > 255:
            return True
        least = 2 if instances else LEAST[any(file.bits > 8 for file in self.files)]
        return max(highs) >= least and total >= DENSE * sum(highs) and (len(set(highs)) > 1 or len(highs) == 1)

    def values_of(self, file: FileStats) -> Mapping[int, int]:
        """The pixels of each value of a file; every object counts as 1."""
        if self.kind == "colors":
            return file.colors()
        if self.kind == "values":
            return file.values()
        objects = Counter[int]()
        for code, count in file.values().items():
            objects[code if code in (0, self.ignore) else 1] += count
        return objects

    def _check_known(self) -> None:
        if self.kind == "colors" and self.table is not None and self.given is None:
            known, end = {packed(color) for color in self.table.values()}, "is not in the table of colors"
            hint = "; ignore={} leaves its pixels out"
        elif self.given is not None and not self.source.kinds and "instances" not in (self.given.kind, self.kind):
            known, end = {packed(value) for value in self.given.values}, "is no class of the run"
            known |= {0, 1, 255} if self.given.two else set()
            hint = "; accepted are " + ", ".join(text_of(value) for value in self.given.values)
        else:
            return
        known |= {packed(value) for value in (self.ignore, self.given and self.given.ignore) if value is not None}
        strange = [file for file in self.files if self.values_of(file).keys() - known]
        if strange:
            pixels = {code: count for code, count in self.values_of(strange[0]).items() if code not in known}
            code = max(pixels, key=lambda each: pixels[each])
            kind, value = ("color", text_of(unpacked(code))) if self.kind == "colors" else ("value", str(code))
            more = f" (and {len(strange) - 1} more files have such)" if len(strange) > 1 else ""
            raise BadInput(
                f"{strange[0].file}: {kind} {value} in {pixels[code]:,} pixels {end}{more}{hint.format(value)}"
            )

    def classes(self) -> Classes:
        """The classes of all files. Raises BadInput for one class alone, soft edges, and too many values."""
        ignored = None if self.ignore is None else packed(self.ignore)
        names: list[str] = []
        if self.kind == "colors":
            assert self.table is not None, "colors without a table are refused before"
            named = {packed(color): name for name, color in self.table.items() if packed(color) != ignored}
            codes, names = list(named), list(named.values())
        elif self.kind == "instances":
            codes, names = [0, 1], ["background", "object"]
        elif self.source.kinds:
            kinds = {name: code for name, code in self.source.kinds.items() if code and code != ignored}
            codes, names = [0, *kinds.values()], ["background", *kinds]
        else:
            codes = sorted(code for code in self.pixels if code != ignored)
            lossy = any(file.file.lower().endswith(LOSSY) for file in self.files)
            check_values({code: self.pixels[code] for code in codes}, self.shown, lossy)
        seen = [code for code in codes if code in self.pixels]
        if len(seen) < 2:
            only = names[codes.index(seen[0])] if seen else "none"
            raise BadInput(f"{self.shown}: all pixels of all files have one class ({only}); two or more are accepted")
        palettes = [file.palette for file in self.files]
        palette = palettes[0] if self.kind == "values" and all(palettes) else None
        values: list[Any] = [unpacked(code) for code in codes] if self.kind == "colors" else list(codes)
        return Classes(values, names, self.ignore, self.kind, palette)

    def counted(self, known: Classes) -> Classes:
        """The classes with the pixels and files of these label files."""
        table = np.zeros((2, len(known) + 1), np.int64)
        for file in self.files:
            found = self.values_of(file)
            codes, counts = np.array(list(found), np.int64), list(found.values())
            if self.kind == "instances" and known.kind == "values":  # a run on two values
                codes = np.array([packed(value) for value in known.values[:2]])[(codes != 0).astype(int)]
            named = self.given is not None and self.source.kinds  # whose values are class numbers
            numbers = codes if named else known.numbers_of(codes, {})
            pixels = np.bincount(np.minimum(numbers, len(known)), counts, len(known) + 1).astype(np.int64)
            pixels[-1] += file.void
            table += np.stack([pixels, pixels > 0])
        return replace(known, pixels=table[0].tolist(), files=table[1].tolist())

    def notes(self, known: Classes) -> list[str]:
        """Sentences for the user about these files."""
        notes = list(self.source.notes)
        if count := sum(file.alpha for file in self.files):
            notes.append(f"{self.shown}: label files with an alpha channel, which is not used: {count}")
        if several := [file.file for file in self.files if file.several]:
            notes.append(
                f"{self.shown}: label files of several pages, of which the first is read: {len(several)} "
                f"({listed(several)}); all are read where the image has several, too"
            )
        others = [value for value in known.values if value != 255]
        numbered = others == list(range(len(others))) or known.palette
        if self.given is None and self.kind == "values" and 255 in known.values and len(others) > 1 and numbered:
            notes.append(
                f"{self.shown}: value 255 is taken as a class; if it marks pixels without a class, as in PASCAL VOC, "
                "ignore=255 leaves them out"
            )
        return notes

    def understood(self, known: Classes) -> str:
        """The format in one line."""
        bits, palette = max(file.bits for file in self.files), all(file.palette for file in self.files)
        form = self.source.form(self.kind, bits, palette)
        if self.numbers:
            objects = [len(file.values().keys() - {0, self.ignore}) for file in self.files]
        else:
            objects = [(file.parts if self.connected else file.objects) or 0 for file in self.files]
        average = f"{sum(objects) / max(1, len(objects)):.0f} on average"
        if self.numbers:
            return f"{self.shown}: {form} with one number for each object ({average})"
        if self.has_instances and not self.connected:
            kinds = f" of {len(known) - 1} categories" if len(known) > 2 else ""
            return f"{self.shown}: {form}{kinds} ({average.replace(' on', ' objects on')})"
        values = ", ".join(text_of(value) for value in known.values[:6]) + (", …" if len(known) > 6 else "")
        text = f"{self.shown}: {form} with {len(known)} {self.kind} ({values})"
        return f"{text}; the objects are connected parts ({average})" if self.connected else text


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
    """Read the labels of all pictures of `source` by `read`; count_parts: of stats_of."""
    own = ignore if isinstance(ignore, int) else None
    files = in_processes(lambda name: stats_of(read(name), source.file(name), count_parts, own), list(source.names))
    return Scan(source, f"{shown}/" if shown.is_dir() else str(shown), files, given, ignore, table, must)
