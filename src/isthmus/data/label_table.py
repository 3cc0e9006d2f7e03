"""Labels of images from a table of files: one column of labels, or one of several columns of attributes."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from isthmus.data.base import Data
from isthmus.errors import BadInput, unknown

SIGNS = {"1": True, "1.0": True, "true": True, "-1": False, "-1.0": False, "0": False, "0.0": False, "false": False}


def with_labels(data: Data, table: Path | str) -> Data:
    """The images of a folder with the labels of a table, "PATH" or "PATH:COLUMN".

    A row is the name of a file, relative to the folder, and its labels, separated by commas, semicolons, tabs or
    spaces; the first row names the columns, unless it names a file. A table of several columns needs the name of one.
    A column of 1 and −1 (or 0) is an attribute, as in list_attr_celeba.txt: its labels are "COLUMN" and "not COLUMN".

    Raises BadInput for a table that cannot be read, an unknown column, and images without a label.
    """
    path, column = _path_and_column(str(table))
    header, rows = _rows(path, set(data.names))
    number = _number(path, header, max(map(len, rows.values())), column)
    missing = [name for name in data.names if len(rows.get(name, ())) <= number]
    if missing:
        raise BadInput(f"{path}: no label for {len(missing)} of {len(data)} images, such as {missing[0]}")
    texts = [rows[name][number] for name in data.names]
    name = header[number] if number < len(header) else ""
    if name and {text.lower() for text in texts} <= set(SIGNS):
        texts = [name if SIGNS[text.lower()] else f"not {name}" for text in texts]
    names, labels = np.unique(texts, return_inverse=True)
    source = {**data.source, "labels": {"table": _absolute(path, column), "names": names.tolist()}}
    return replace(data, labels=labels.astype(np.int64), source=source)


def _absolute(path: Path, column: str) -> str:
    return f"{path.resolve()}:{column}" if column else str(path.resolve())


def _path_and_column(table: str) -> tuple[Path, str]:
    path, _, column = table.rpartition(":")
    return (Path(path), column) if path and not Path(table).exists() and Path(path).exists() else (Path(table), "")


def _rows(path: Path, names: set[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The names of the columns, the first being that of the files, and the cells of each row by the file."""
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as a table of labels ({error})") from error
    if lines and re.fullmatch(r"\s*\d+\s*", lines[0]):  # the number of rows
        lines = lines[1:]
    mark = next((mark for mark in ";,\t" if lines and mark in lines[-1]), None)
    cells = list(csv.reader(lines, delimiter=mark)) if mark else [line.split() for line in lines]
    cells = [[cell.strip() for cell in row] for row in cells if row]
    header: list[str] = []
    if cells and PurePosixPath(cells[0][0]).as_posix() not in names:
        header, cells = cells[0], cells[1:]
    if cells and header and len(header) == len(cells[0]) - 1:
        header = ["file", *header]
    rows = {PurePosixPath(row[0]).as_posix(): row for row in cells}
    if not names & set(rows):
        raise BadInput(f"{path}: names no image of the data; rows of file and label are accepted")
    return header, rows


def _number(path: Path, header: list[str], width: int, column: str) -> int:
    """The number of the column of labels."""
    if column:
        if column not in header[1:]:
            raise unknown(f"column of {path}", column, header[1:])
        return header.index(column)
    labels = [number for number, name in enumerate(header) if name.lower() in ("label", "labels", "class")]
    if labels or width == 2:
        return labels[0] if labels else 1
    some = ", ".join(header[1:6]) + (", ..." if len(header) > 6 else "")
    first = (header[1:] or ["COLUMN"])[0]
    raise BadInput(f"{path}: has several columns of labels; name one, as in {path}:{first} ({some})")
