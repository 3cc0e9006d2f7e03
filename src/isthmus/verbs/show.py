"""show: describe a data set by numbers and a contact sheet."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from isthmus.data import Data, anomaly_folders, is_builtin, open_data, shards_of
from isthmus.data.tables import OPTIONS, TableOptions
from isthmus.data.tables.schema import Schema
from isthmus.errors import unknown
from isthmus.fields import by_column, ends_of
from isthmus.files import check_output
from isthmus.inference.inputs import name_of, warn_notes
from isthmus.media.dicom.units import shared_units
from isthmus.report import as_pictures, grid, write_picture

SHEET, LOOKED_AT = 64, 2048  # images on a sheet; items sampled for the statistics


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
    """Describe a data set: (facts, a contact sheet of evenly spaced items, also written to `out`).

    lowest, highest and mean are in the values of the data; for DICOM files in the units named by `units`: Hounsfield
    units or stored values. white: the value of white. table: options for reading a table, as in
    isthmus.data.tables.TableOptions, such as missing="median". Raises BadInput for data that cannot be opened.
    """
    if strange := set(table) - set(OPTIONS):
        raise unknown("key for show", min(strange), ("white", *OPTIONS))
    if out is not None:
        check_output(out, force=force)
    asked = TableOptions(**table) if table else None
    data = open_data(source, size=size, gray=gray, first=first, white=white, table=asked)
    warn_notes(data)
    # A sample over all shards would download all of them.
    near = len(data) if shards_of(data) is None else min(LOOKED_AT, len(data))
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
        layout = anomaly_folders(Path(source))
        facts |= {"layout": layout.summary} if layout.judged else {}
    facts |= {"skipped": len(data.skipped)} if data.skipped else {}
    spread = np.unique(np.linspace(0, near - 1, min(SHEET, near)).astype(int))
    sheet = grid(as_pictures(data.floats(spread)))
    if out is not None:
        write_picture(out, sheet)
    return facts, sheet


def extremes(data: Data, values: Tensor) -> dict[str, Any]:
    """The scaled range, and the lowest, highest and mean value; for DICOM files in their own units."""
    scale, ends, mean = list(ends_of(data.range)), [float(values.min()), float(values.max())], float(values.mean())
    units = None
    if data.dtype in (torch.uint8, torch.uint16) and isinstance(path := data.source.get("path"), str):
        files = [Path(path)] if Path(path).is_file() else [Path(path, name) for name in data.names]
        units = shared_units(files)
    if units is not None:
        scale, ends = (sorted(map(units.of, pair)) for pair in (scale, ends))
        mean = units.of(mean)
    integers = not data.dtype.is_floating_point and all(abs(end - round(end)) < 1e-3 for end in ends)
    low, high = (round(end) if integers else end for end in ends)
    shown = "a range for each column" if by_column(data.range) else "{:.10g} to {:.10g}".format(*scale)
    named = {} if units is None else {"units": units.name}
    return {"scale": shown, "lowest": low, "highest": high, "mean": mean, **named}


def columns_of(data: Data) -> list[str]:
    """One line per column of a table: name, kind and usual range; then the columns left out."""
    assert data.table is not None
    schema, lines, first = Schema.of(data.table), [], 0
    for column in schema.columns:
        ends = [bound[first] if isinstance(bound, tuple) else bound for bound in data.range]
        words = ", ".join(column.values[:5]) if column.values else "{:g} to {:g}".format(*ends)
        lines.append(f"{column.name}: {column.kind}, {words}")
        first += column.width
    lines += [f"{schema.label.name}: labels"] if schema.label is not None else []
    return lines + [f"{name}: left out, {why}" for name, why in schema.left.items()]
