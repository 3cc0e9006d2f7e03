"""show: what a set of data is, in figures and as a contact sheet."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from isthmus.data import Data, anomaly_folders, is_builtin, open_data, shards_of
from isthmus.data.base import by_column, ends_of
from isthmus.data.tables import ASKED, Asked
from isthmus.data.tables.schema import Schema
from isthmus.errors import unknown
from isthmus.files import check_output
from isthmus.inference.inputs import name_of, warn_notes
from isthmus.media.dicom.units import shared_units
from isthmus.report import as_pictures, grid, write_picture

SHEET, LOOKED_AT = 64, 2048  # pictures on a sheet; items whose values are measured


def show(
    source: Any,
    *,
    out: Path | str | None = None,
    size: int | None = None,
    gray: bool | None = None,
    first: int | None = None,
    force: bool = False,
    white: float | None = None,
    **table: Any,
) -> tuple[dict[str, Any], Image.Image]:
    """(count, shape, range, parts ..., a contact sheet of items spread evenly over the data); written to `out`.

    lowest, highest and mean are in the numbers of the data, those of DICOM files in their own units, of which `units`
    then tells: Hounsfield units, or stored numbers. white: the number that is white. table: how a table is read, as
    isthmus.data.tables.Asked has it, such as missing="median". Raises BadInput for data that cannot be opened.
    """
    if strange := set(table) - set(ASKED):
        raise unknown("key for show", min(strange), ("white", *ASKED))
    if out is not None:
        check_output(out, force=force)
    asked = Asked(**table) if table else None
    data = open_data(source, size=size, gray=gray, first=first, white=white, table=asked)
    warn_notes(data)
    near = (
        len(data) if shards_of(data) is None else min(LOOKED_AT, len(data))
    )  # shards from everywhere would be fetched
    some = data.batch(np.unique(np.linspace(0, near - 1, min(LOOKED_AT, near)).astype(int)))
    values = some.double()
    facts: dict[str, Any] = {
        "name": name_of(data),
        "items": len(data),
        "shape": list(data.shape),
        "type": str(data.dtype).removeprefix("torch."),
        **extremes(data, values),
        "megabytes": data.nbytes / 1e6,
        "numbers": math.prod(data.shape),
    }
    if data.table is not None:
        facts["columns"] = columns_of(data)
    facts |= {f"{part}_part": len(rows) for part, rows in data.parts.items()}
    if data.labels is not None:
        facts["labels"] = len(np.unique(data.labels))
    if isinstance(source, (str, Path)) and not is_builtin(str(source)) and Path(source).is_dir():
        found = anomaly_folders(Path(source))
        facts |= {"layout": found.summary} if found.judged else {}
    facts |= {"skipped": len(data.skipped)} if data.skipped else {}
    spread = np.unique(np.linspace(0, near - 1, min(SHEET, near)).astype(int))
    sheet = grid(as_pictures(data.floats(spread)))
    if out is not None:
        write_picture(out, sheet)
    return facts, sheet


def extremes(data: Data, values: Tensor) -> dict[str, Any]:
    """What is scaled to 0..1, the least, the greatest and the mean value; of DICOM files in their own units."""
    scale, ends, mean = list(ends_of(data.range)), [float(values.min()), float(values.max())], float(values.mean())
    units = None
    if data.dtype in (torch.uint8, torch.uint16) and isinstance(path := data.source.get("path"), str):
        files = [Path(path)] if Path(path).is_file() else [Path(path, name) for name in data.names]
        units = shared_units(files)
    if units is not None:
        scale, ends = (sorted(map(units.of, pair)) for pair in (scale, ends))
        mean = units.of(mean)
    whole = not data.dtype.is_floating_point and all(abs(end - round(end)) < 1e-3 for end in ends)
    low, high = (round(end) if whole else end for end in ends)
    shown = "a range a column" if by_column(data.range) else "{:.10g} to {:.10g}".format(*scale)
    named = {} if units is None else {"units": units.name}
    return {"scale": shown, "lowest": low, "highest": high, "mean": mean, **named}


def columns_of(data: Data) -> list[str]:
    """A line a column of a table: its name, its kind, and between which most of it lies; and what is left out."""
    assert data.table is not None
    schema, lines, place = Schema.of(data.table), [], 0
    for column in schema.columns:
        ends = [bound[place] if isinstance(bound, tuple) else bound for bound in data.range]
        words = ", ".join(column.values[:5]) if column.values else "{:g} to {:g}".format(*ends)
        lines.append(f"{column.name}: {column.kind}, {words}")
        place += column.width
    lines += [f"{schema.label.name}: labels"] if schema.label is not None else []
    return lines + [f"{name}: left out, {why}" for name, why in schema.left.items()]
