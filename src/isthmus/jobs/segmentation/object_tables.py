"""areas.csv and boxes.json of a folder of results: written at the end, and completed by --resume."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isthmus.files import atomic
from isthmus.media.coco import Annotated, read_coco, write_coco

AREAS, BOXES = "areas.csv", "boxes.json"


class ObjectTables:
    """Collects the objects of images; as a context it writes both files at the end, also after an error or Ctrl-C.

    kinds: category ids of boxes.json to names. resume: rows of earlier results are kept.
    """

    def __init__(self, folder: Path, kinds: Mapping[int, str], columns: tuple[str, ...], resume: bool) -> None:
        self.folder, self.kinds, self.columns = folder, kinds, columns
        self.rows: dict[str, list[Mapping[str, Any]]] = {}
        self.boxes: dict[str, Annotated] = {}
        if resume and (folder / AREAS).is_file() and (folder / BOXES).is_file():
            self.boxes = {one.file: one for one in read_coco(folder / BOXES)[0]}
            self.rows = {file: [] for file in self.boxes}
            with (folder / AREAS).open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    self.rows.setdefault(row["file"], []).append(row)

    def add(self, rows: list[dict[str, Any]], boxes: Annotated) -> None:
        """The objects of one image."""
        self.rows[boxes.file], self.boxes[boxes.file] = list(rows), boxes

    def __contains__(self, file: object) -> bool:
        return file in self.boxes

    def __enter__(self) -> ObjectTables:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.boxes:
            return
        with atomic(self.folder / AREAS) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(row for name in sorted(self.rows) for row in self.rows[name])
        write_coco(self.folder / BOXES, [self.boxes[name] for name in sorted(self.boxes)], self.kinds)
