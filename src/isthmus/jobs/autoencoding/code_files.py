"""Codes as files: .npz with all that is known of them, tables for other programs, and back."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from isthmus.data import Data
from isthmus.data.tables.schema import Schema
from isthmus.errors import BadInput
from isthmus.files import atomic

SUFFIXES = (".npz", ".npy", ".csv", ".tsv")


def check_codes_name(out: Path | str) -> Path:
    """The path, where it ends in one of SUFFIXES. Raises BadInput."""
    if Path(out).suffix.lower() not in SUFFIXES:
        raise BadInput(f"{out}: not a name for codes; it can end in {', '.join(SUFFIXES)}")
    return Path(out)


def write_codes(out: Path | str, found: dict[str, np.ndarray]) -> None:
    """Write what `described` returns: all of it as .npz, a row an item as .csv or .tsv, the codes alone as .npy."""
    suffix = check_codes_name(out).suffix.lower()
    with atomic(out) as temporary:
        if suffix in (".npz", ".npy"):
            with temporary.open("wb") as file:
                if suffix == ".npz":
                    np.savez(file, **found)  # type: ignore[arg-type]
                else:
                    np.save(file, found["codes"], allow_pickle=False)
        else:
            with temporary.open("w", newline="", encoding="utf-8") as text:
                _rows(csv.writer(text, delimiter="," if suffix == ".csv" else "\t"), found)


def _rows(writer: Any, found: dict[str, np.ndarray]) -> None:
    """A header, then file, id, label, the numbers of the code, and its indices where it is discrete."""
    numbers = found["codes"]
    symbols = found.get("indices", np.empty((len(numbers), 0))).reshape(len(numbers), -1)
    beside = {name: found[key] for key, name in (("ids", "id"), ("labels", "label")) if key in found}
    header = ["file", *beside, *(f"code_{place}" for place in range(numbers.shape[1]))]
    writer.writerow([*header, *(f"index_{place}" for place in range(symbols.shape[1]))])
    for row, name in enumerate(found["files"].tolist()):
        code = (f"{value:.9g}" for value in numbers[row].tolist())  # as many digits as give float32 back
        writer.writerow([name, *(each[row] for each in beside.values()), *code, *symbols[row].tolist()])


def labels_of(data: Data) -> np.ndarray | None:
    """The labels of the data: N integers, or words of a table, or the first folder in the name of each item, where all
    have one."""
    schema = Schema.of(data.table) if data.table is not None else None
    if data.labels is not None and schema is not None and schema.label is not None:
        return np.array([*schema.label.values, ""])[data.labels]  # -1, of a row without one, is the last
    if data.labels is not None:
        return data.labels
    folders = [PurePosixPath(name).parts[0] for name in data.names if "/" in name]
    return np.array(folders) if folders and len(folders) == len(data) else None


def described(codes: dict[str, Any], data: Data) -> dict[str, np.ndarray]:
    """What codes.npz holds: codes, names, the depth of the pictures; indices, labels and ids where there are some."""
    types = {"codes": np.float32, "indices": np.int32}
    arrays = {name: tensor.numpy().astype(types[name]) for name, tensor in codes.items()}
    labels = labels_of(data)
    arrays |= {} if labels is None else {"labels": labels}
    arrays |= {} if data.ids is None else {"ids": data.ids}
    return {**arrays, "files": np.array(list(data.names)), "sixteen": np.array(data.dtype == torch.uint16)}


def _table(path: Path) -> dict[str, np.ndarray]:
    """files and codes of what write_codes wrote as a table."""
    with path.open(newline="", encoding="utf-8") as text:
        rows = list(csv.DictReader(text, delimiter="," if path.suffix.lower() == ".csv" else "\t"))
    names = [name for name in (rows[0] if rows else {}) if name.startswith("code_")]
    codes = np.array([[float(row[name]) for name in names] for row in rows], np.float32)
    return {"codes": codes, "files": np.array([row["file"] for row in rows])}


def read_codes(codes: Any) -> dict[str, np.ndarray]:
    """codes and files out of what embed made; BadInput for a file that holds none, or numbers that are no number."""
    if isinstance(codes, (str, Path)):
        if Path(codes).exists() and not Path(codes).is_file():
            raise BadInput(f"{codes}: not a file of codes; .npz, .npy, .csv or .tsv of embed is accepted")
        try:
            loaded = (
                _table(Path(codes))
                if Path(codes).suffix.lower() in (".csv", ".tsv")
                else np.load(codes, allow_pickle=False)
            )
            found = (
                loaded
                if isinstance(loaded, dict)
                else {key: loaded[key] for key in loaded.files}
                if hasattr(loaded, "files")
                else {"codes": loaded}
            )
        except FileNotFoundError:
            raise BadInput(f"{codes}: there is no such file") from None
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise BadInput(f"{codes}: not a file of codes; .npz, .npy, .csv or .tsv of embed is accepted") from error
    else:
        found = dict(codes) if isinstance(codes, dict) else {"codes": np.asarray(codes)}
    if "codes" not in found:
        raise BadInput(f"{codes}: holds {', '.join(found)}, but no codes")
    z = np.asarray(found["codes"])
    if z.ndim < 2 or not len(z) or z.dtype.kind not in "fiu" or not np.isfinite(z).all():
        raise BadInput(f"{codes if isinstance(codes, (str, Path)) else 'codes'}: N×K finite numbers are accepted")
    files = found.get("files", np.array([f"{i:05d}" for i in range(len(z))]))
    paths = [PurePosixPath(str(name)) for name in np.ravel(files)]
    if len(paths) != len(z) or any(not p.name or p.is_absolute() or ".." in p.parts for p in paths):
        raise BadInput(
            f"{codes if isinstance(codes, (str, Path)) else 'codes'}: each code needs one name below the folder"
        )
    return {"codes": z.astype(np.float32), "files": files, "sixteen": found.get("sixteen", np.array(False))}
