"""Tables of the colors of label files: labelmap.txt of CVAT, label_colors.txt of CamVid, or a CSV of r, g, b, name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isthmus.errors import BadInput

Color = tuple[int, int, int]

NAMES = re.compile(
    r"(label_?map|label_?colou?rs?|class_dict|classes|colou?r_?(map|table)|palette|colou?rs)\.(txt|csv)", re.I
)
ACCEPTED = "accepted are lines such as `road:128,64,128` or `128,64,128,road`"


def table_beside(folder: Path) -> Path | None:
    """The color table in a folder of masks, or in the folder that holds it."""
    for place in (folder, folder.parent):
        found = sorted(path for path in place.iterdir() if NAMES.fullmatch(path.name)) if place.is_dir() else []
        for path in found:
            try:
                read_color_table(path)
            except BadInput:
                continue  # a file of this name with another content
            return path
    return None


def color_table(given: Any) -> dict[str, Color]:
    """Names to colors, of a file or of a mapping. Raises BadInput for another content."""
    if not isinstance(given, Mapping):
        return read_color_table(Path(given))
    table = {}
    for name, color in given.items():
        numbers = tuple(int(part) for part in (re.split(r"[,\s]+", color) if isinstance(color, str) else color))
        if len(numbers) != 3 or not all(0 <= part <= 255 for part in numbers):
            raise BadInput(f"color {color!r} of {name}: three numbers of 0 to 255 are accepted")
        table[str(name)] = (numbers[0], numbers[1], numbers[2])
    return table


def read_color_table(path: Path) -> dict[str, Color]:
    """Names to colors, in the order of the file. Raises BadInput for a line without a color, and for equal colors."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as a table of colors ({error}); {ACCEPTED}") from error
    table: dict[str, Color] = {}
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        one = _named_color(line)
        if one is None:
            if table or not re.search(r"r\w*\W+g\w*\W+b", line, re.I):  # a first line that names the columns
                raise BadInput(f"{path}: line {number} ({line[:40]!r}) is not a name and a color; {ACCEPTED}")
            continue
        name, color = one
        if color in table.values():
            raise BadInput(f"{path}: line {number}: color {','.join(map(str, color))} has two names")
        table[name if name not in table else f"{name} {number}"] = color
    if not table:
        raise BadInput(f"{path}: has no colors; {ACCEPTED}")
    return table


def _named_color(line: str) -> tuple[str, Color] | None:
    """A line as name and color: the first three consecutive integers of 0 to 255 are the color."""
    name, colon, rest = line.partition(":")
    if colon and (match := re.match(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*(:|$)", rest)):
        parts, cells = [name.strip()], match.groups()[:3]
    else:
        words = [word.strip().strip('"') for word in re.split(r"[,;\t]|\s+", line) if word.strip()]
        start = next((i for i in range(len(words) - 2) if all(w.isdecimal() for w in words[i : i + 3])), None)
        if start is None:
            return None
        parts, cells = words[:start] or words[start + 3 :], tuple(words[start : start + 3])
    color = tuple(int(cell) for cell in cells)
    if not any(parts) or max(color) > 255:
        return None
    return " ".join(parts), (color[0], color[1], color[2])
