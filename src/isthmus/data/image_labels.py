"""Labels of the test images of a folder from a .csv of file and label."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from isthmus.data.find_images import find_pictures
from isthmus.data.folder_layout import MARKED, AnomalyFolders, LabeledImages, anomaly_folders
from isthmus.data.folder_roles import role_of
from isthmus.errors import BadInput

NORMAL_LABELS = ("0", "0.0", "false", "negative")  # besides the names of normal folders


def labeled_by(folder: Path, table: Path) -> AnomalyFolders:
    """`anomaly_folders` of the folder, with the test images and their kinds from a .csv.

    A row is a file's name, relative to the folder, and its label: good, ok, normal, free, 0 or false, else a kind of
    defect (1: anomalous). A first row that names no file is a header; the delimiter is `,` or `;`. Images without a row
    are not tested. Raises BadInput for a missing file, and for a row without a label.
    """
    layout = anomaly_folders(folder)
    masks = {one.path: one.masks for one in layout.judged}
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{table}: cannot be read as a table of labels ({error})") from error
    rows = [row for row in csv.reader(text.splitlines(), delimiter=";" if ";" in text else ",") if row]
    names = set(find_pictures(folder)[0])
    if rows and rows[0][0].strip() not in names:
        rows = rows[1:]
    kinds: dict[str, str] = {}
    for row in rows:
        name = row[0].strip()
        if name not in names or len(row) < 2 or not row[1].strip():
            fault = "no such picture" if name not in names else "no label"
            raise BadInput(f"{table}: {name}: {fault} in {folder}; rows of file and label are accepted")
        kinds[name] = kind_of(row[1].strip())
    if not kinds:
        raise BadInput(f"{table}: has no rows of file and label")
    judged = [LabeledImages(folder / name, kind, masks.get(folder / name, ())) for name, kind in sorted(kinds.items())]
    return replace(layout, judged=judged)


def kind_of(label: str) -> str:
    if label.lower() in NORMAL_LABELS or role_of(Path(label)) == "good":
        return "good"
    return MARKED if label.lower() in ("1", "1.0", "true", "positive") else label
