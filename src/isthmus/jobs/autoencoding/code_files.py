"""Files of codes: .npz with all arrays, .csv and .tsv for other programs, .npy with the codes only."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from isthmus.data import Data
from isthmus.data.item_labels import item_labels
from isthmus.errors import BadInput
from isthmus.files import atomic
from isthmus.media.npy_images import save_array

SUFFIXES = (".npz", ".npy", ".csv", ".tsv")


def check_codes_name(out: Path | str) -> Path:
    """The path; BadInput unless it ends in one of SUFFIXES."""
    if Path(out).suffix.lower() not in SUFFIXES:
        raise BadInput(f"{out}: unsupported format for codes; accepted are {', '.join(SUFFIXES)}")
    return Path(out)


def write_codes(out: Path | str, arrays: dict[str, np.ndarray]) -> None:
    """Write the result of code_arrays: all arrays as .npz, one row per item as .csv or .tsv, only the codes as .npy."""
    suffix = check_codes_name(out).suffix.lower()
    if suffix == ".npy":
        save_array(Path(out), arrays["codes"])
        return
    with atomic(out) as temporary:
        if suffix == ".npz":
            with temporary.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
        else:
            with temporary.open("w", newline="", encoding="utf-8") as text:
                _write_rows(csv.writer(text, delimiter="," if suffix == ".csv" else "\t"), arrays)


def _write_rows(writer: Any, arrays: dict[str, np.ndarray]) -> None:
    """Write a header, then the file, id, label, code and, if it is discrete, the indices of each item."""
    codes_of_rows = arrays["codes"]
    symbols = arrays.get("indices", np.empty((len(codes_of_rows), 0))).reshape(len(codes_of_rows), -1)
    extra = {name: arrays[key] for key, name in (("ids", "id"), ("labels", "label")) if key in arrays}
    header = ["file", *extra, *(f"code_{index}" for index in range(codes_of_rows.shape[1]))]
    writer.writerow([*header, *(f"index_{index}" for index in range(symbols.shape[1]))])
    for row, name in enumerate(arrays["files"].tolist()):
        code = (f"{value:.9g}" for value in codes_of_rows[row].tolist())  # 9 digits restore a float32 exactly
        writer.writerow([name, *(each[row] for each in extra.values()), *code, *symbols[row].tolist()])


def code_arrays(codes: dict[str, Any], data: Data) -> dict[str, np.ndarray]:
    """The arrays of codes.npz: codes, files, sixteen (16-bit images); indices, labels and ids if there are any."""
    types = {"codes": np.float32, "indices": np.int32}
    arrays = {name: tensor.numpy().astype(types[name]) for name, tensor in codes.items()}
    labels = item_labels(data)
    arrays |= {} if labels is None else {"labels": labels}
    arrays |= {} if data.ids is None else {"ids": data.ids}
    return {**arrays, "files": np.array(list(data.names)), "sixteen": np.array(data.dtype == torch.uint16)}


def _table(path: Path) -> dict[str, np.ndarray]:
    """Read files and codes from a table written by write_codes."""
    with path.open(newline="", encoding="utf-8") as text:
        rows = list(csv.DictReader(text, delimiter="," if path.suffix.lower() == ".csv" else "\t"))
    names = [name for name in (rows[0] if rows else {}) if name.startswith("code_")]
    codes = np.array([[float(row[name]) for name in names] for row in rows], np.float32)
    return {"codes": codes, "files": np.array([row["file"] for row in rows])}


def read_codes(codes: Any) -> dict[str, np.ndarray]:
    """Read codes and files from a result of embed; BadInput without codes, or for codes that are not finite."""
    if isinstance(codes, (str, Path)):
        if Path(codes).exists() and not Path(codes).is_file():
            raise BadInput(f"{codes}: not a file of codes; accepted is a .npz, .npy, .csv or .tsv written by embed")
        try:
            loaded = (
                _table(Path(codes))
                if Path(codes).suffix.lower() in (".csv", ".tsv")
                else np.load(codes, allow_pickle=False)
            )
            arrays = (
                loaded
                if isinstance(loaded, dict)
                else {key: loaded[key] for key in loaded.files}
                if hasattr(loaded, "files")
                else {"codes": loaded}
            )
        except FileNotFoundError:
            raise BadInput(f"{codes}: there is no such file") from None
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise BadInput(
                f"{codes}: not a file of codes; accepted is a .npz, .npy, .csv or .tsv written by embed"
            ) from error
    else:
        arrays = dict(codes) if isinstance(codes, dict) else {"codes": np.asarray(codes)}
    if "codes" not in arrays:
        raise BadInput(f"{codes}: contains {', '.join(arrays)}, but no codes")
    values = np.asarray(arrays["codes"])
    if values.ndim < 2 or not len(values) or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise BadInput(f"{codes if isinstance(codes, (str, Path)) else 'codes'}: N×K finite numbers are accepted")
    files = arrays.get("files", np.array([f"{i:05d}" for i in range(len(values))]))
    paths = [PurePosixPath(str(name)) for name in np.ravel(files)]
    if len(paths) != len(values) or any(not p.name or p.is_absolute() or ".." in p.parts for p in paths):
        raise BadInput(
            f"{codes if isinstance(codes, (str, Path)) else 'codes'}: each code needs one relative file name"
        )
    return {"codes": values.astype(np.float32), "files": files, "sixteen": arrays.get("sixteen", np.array(False))}
