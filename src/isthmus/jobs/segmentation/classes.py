"""Classes: the values of label files, such as 0 and 255 or colors, as consecutive class numbers, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from isthmus.errors import BadInput
from isthmus.metrics.segmentation import IGNORE

MOST = 255  # classes
ROWS = 256  # rows of a map that are converted at a time
SOFT = 16  # values above which masks are checked for soft edges
BACKGROUND = ("background", "_background_", "__background__")  # names of the class that is no object
TWO = ((0, 1), (0, 255))  # values of two classes that are read alike, and written as the second

Value = int | tuple[int, int, int]


@dataclass
class Classes:
    """values: of each class in the label files: integers, or (r, g, b) of kind "colors". names: default str(value).

    ignore: the value of pixels without a class, or None. kind: "values", "colors" or "instances" (values 0 and 1,
    background and object, of files with one number for each object). palette: of palette PNGs, r g b r g b …, or None.
    pixels, files: how many pixels, and how many files, have each class; then the same of `ignore`. empty: the number of
    the background, "none", or "auto". soft: values above half of the range are the second class.
    """

    values: list[Any]
    names: list[str] = field(default_factory=list)
    ignore: Any = None
    kind: str = "values"
    palette: list[int] | None = None
    pixels: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    empty: str = "auto"
    soft: bool = False

    def __post_init__(self) -> None:
        self.names = self.names or [text_of(value) for value in self.values]
        self.pixels = self.pixels or [0] * (len(self.values) + 1)
        self.files = self.files or [0] * (len(self.values) + 1)
        if len(self.values) > MOST:
            raise BadInput(f"{len(self.values)} classes; up to {MOST} are accepted")
        numbers = {str(number): text_of(value) for number, value in enumerate(self.values)}
        if self.kind == "instances":  # 0 is no object in every such file
            numbers = {"0": "0"}
        elif self.empty == "none":
            return
        if self.empty != "auto" and self.empty not in numbers:
            listed = ", ".join(f"{number} (of value {value})" for number, value in numbers.items())
            raise BadInput(f"background={self.empty}: auto, none or the number of a class is accepted: {listed}")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def background(self) -> int | None:
        """The class that is no object: as chosen, or of the value 0, of black, or of a name such as background."""
        if self.empty != "auto":
            return None if self.empty == "none" else int(self.empty)
        named = [name.lower() in BACKGROUND for name in self.names]
        empty = [packed(value) == 0 for value in self.values]
        return next((number for flags in (named, empty) for number, flag in enumerate(flags) if flag), None)

    @property
    def two(self) -> bool:
        """Whether the values are 0 and 1 or 0 and 255, which are read alike and written as 0 and 255."""
        return self.kind == "values" and tuple(self.values) in TWO and self.ignore not in (1, 255)

    def encode(self, raw: np.ndarray, file: str, unknown: str = "error") -> np.ndarray:
        """H×W integers, or H×W×3 colors -> H×W uint8 class numbers, IGNORE for pixels without a class.

        unknown: "error", or "ignore" for pixels of a value that is no class. Raises BadInput naming the file, the value
        and its pixels.
        """
        if raw.dtype.kind not in "bui":
            raise BadInput(f"{file}: holds {raw.dtype} numbers; a mask of integers is accepted")
        if self.kind == "colors" and raw.ndim == 2:
            raw = np.repeat(raw[..., None], 3, -1)
        if raw.ndim == 3 and self.kind != "colors":
            raise BadInput(f"{file}: a mask of colors; one number for each pixel is accepted")
        classes = np.empty(raw.shape[:2], np.uint8)
        strange: dict[int, int] = {}
        for top in range(0, len(raw), ROWS):
            rows = slice(top, top + ROWS)
            classes[rows] = self.numbers_of(codes_of(raw[rows]), strange)
        if strange and unknown != "ignore":
            code = max(strange, key=lambda each: strange[each])
            shown = text_of(unpacked(code) if self.kind == "colors" else code)
            more = f" (and {len(strange) - 1} more values)" if len(strange) > 1 else ""
            kind = "color" if self.kind == "colors" else "value"
            known = ", ".join(text_of(value) for value in self.values[:8]) + (", …" if len(self) > 8 else "")
            raise BadInput(
                f"{file}: {kind} {shown} in {strange[code]:,} pixels is no class{more}; the classes are {known}"
            )
        return classes

    def numbers_of(self, codes: np.ndarray, strange: dict[int, int]) -> np.ndarray:
        """The class numbers of values, colors as `packed`; the counts of those that are no class go to `strange`."""
        if self.kind == "instances":
            classes = (codes != 0).astype(np.uint8)
            if self.ignore is not None:
                classes[codes == self.ignore] = IGNORE
            return classes
        numbers = {packed(value): number for number, value in enumerate(self.values)}
        if self.two:
            numbers = {0: 0, 1: 1, 255: 1}
        if self.ignore is not None:
            numbers[packed(self.ignore)] = IGNORE
        known = np.array(sorted(numbers), np.int64)
        place = np.searchsorted(known, codes).clip(max=len(known) - 1)
        classes = np.array([numbers[int(code)] for code in known], np.uint8)[place]
        wrong = known[place] != codes
        if wrong.any():
            for code, count in zip(*np.unique(codes[wrong], return_counts=True), strict=True):
                strange[int(code)] = strange.get(int(code), 0) + int(count)
            classes[wrong] = IGNORE
        return classes

    def decode(self, classes: np.ndarray) -> np.ndarray:
        """H×W uint8 class numbers -> H×W original values in the smallest integer type, or H×W×3 uint8 colors.

        Two classes of 0 and 1 are written as 0 and 255, except in a palette. Pixels without a class get the value
        `ignore`, or, if there is none, the first from 255 on that is no class (black among colors).
        """
        if self.kind == "colors":
            table = np.zeros((256, 3), np.uint8)
            table[: len(self)] = self.values
            table[IGNORE] = self.ignore or (0, 0, 0)
            return table[classes]
        values = [0, 255] if self.two and self.palette is None else [int(value) for value in self.values]
        ignored = self.ignore if self.ignore is not None else next(v for v in range(255, 512) if v not in values)
        unused = self.ignore is None and not (classes == IGNORE).any()
        held = values if unused else [*values, ignored]
        numbers = np.zeros(256, smallest_type(min(held), max(held)))
        numbers[: len(values)] = values
        if not unused:
            numbers[IGNORE] = ignored
        return numbers[classes]

    @property
    def table(self) -> list[dict[str, Any]]:
        """Rows of value, class (None: ignored), name, pixels and files."""
        rows: list[tuple[Any, int | None, str]] = [
            (value, number, name) for number, (value, name) in enumerate(zip(self.values, self.names, strict=True))
        ]
        rows += [] if self.ignore is None and not self.pixels[-1] else [(self.ignore, None, "ignored")]
        return [
            {"value": value, "class": number, "name": name, "pixels": pixels, "files": files}
            for (value, number, name), pixels, files in zip(rows, self.pixels, self.files, strict=False)
        ]

    def describe(self) -> list[str]:
        """The table as lines of text, for the start of a training."""
        total = max(1, sum(self.pixels))
        lines = [("value", "class", "name", "pixels", "share", "files")]
        for row in self.table:
            number = "–" if row["class"] is None else str(row["class"])
            share = f"{row['pixels'] / total:.2%}"
            lines.append((text_of(row["value"]), number, row["name"], f"{row['pixels']:,}", share, str(row["files"])))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = []
        for line in lines:
            cells = [
                cell.ljust(w) if i < 3 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
            ]
            text.append("  ".join(cells).rstrip())
        if self.two and tuple(self.values) == TWO[0] and self.palette is None:
            text.append("results are written with the values 0 and 255")
        return text

    def state(self) -> dict[str, Any]:
        """Plain JSON, which `of` reads."""
        return asdict(self)

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Classes:
        """The classes of a `state`."""
        known = dict(state)
        if known["kind"] == "colors":
            known["values"] = [tuple(value) for value in known["values"]]
            known["ignore"] = None if known["ignore"] is None else tuple(known["ignore"])
        return cls(**known)


def text_of(value: Value | None) -> str:
    if value is None:
        return "–"
    return ",".join(map(str, value)) if isinstance(value, Sequence) else str(value)


def smallest_type(low: int, high: int) -> np.dtype:
    """The smallest integer type that holds both numbers, unsigned if it can be."""
    types = map(np.dtype, ("u1", "i1", "u2", "i2", "u4", "i4", "i8"))
    return next(dtype for dtype in types if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max)


def packed(value: Any) -> int:
    """A color as one number, r first; a number as itself."""
    return (value[0] << 16) + (value[1] << 8) + value[2] if isinstance(value, Sequence) else int(value)


def unpacked(code: int) -> tuple[int, int, int]:
    return code >> 16, code >> 8 & 255, code & 255


def codes_of(raw: np.ndarray) -> np.ndarray:
    """H×W int64 of numbers, or of colors H×W×3 as `packed` has them."""
    numbers = raw.astype(np.int64)
    return numbers if raw.ndim == 2 else (numbers[..., 0] << 16) + (numbers[..., 1] << 8) + numbers[..., 2]


def check_values(pixels: Mapping[int, int], source: str, lossy: bool = False) -> None:
    """Raise BadInput for masks of one value, of soft edges, or of too many values.

    pixels: of each value. lossy: in files such as JPEG, whose decoded values are not the stored ones.
    """
    if len(pixels) < 2:
        value = next(iter(pixels), 0)
        raise BadInput(f"{source}: all pixels have the value {value}; masks of two or more values are accepted")
    low, high = min(pixels), max(pixels)
    edge = (high - low) / 16
    below, above = [v for v in pixels if v <= low + edge], [v for v in pixels if v >= high - edge]
    near = sum(pixels[value] for value in {*below, *above}) / max(1, sum(pixels.values()))
    two = near > 0.9 and min(len(below), len(above)) > 2
    if len(pixels) > SOFT and (two or lossy):
        ends = f", nearly all pixels near {low} or {high}" if two else ""
        hint = f" (here value > {(low + high) // 2})" if two else ""
        raise BadInput(
            f"{source}: {len(pixels)} values{ends}: artifacts of JPEG or soft edges; accepted is one value for each "
            f"class{hint}, saved as PNG, or soft=yes for two classes"
        )
    if len(pixels) > MOST:
        raise BadInput(
            f"{source}: {len(pixels)} values, from {low} to {high}; accepted are up to {MOST} classes, "
            "or one number for each object (instances)"
        )
