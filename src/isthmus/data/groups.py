"""Groups of items, such as the slices of a patient or the frames of a film, that stay in one part of a split."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from isthmus.data.base import Data, Numbered
from isthmus.data.pairs import without_suffix
from isthmus.data.split import image_of
from isthmus.errors import BadInput

FEW = 3  # groups from which on each part gets one
FRAME = re.compile(r"^(.*?)[-_ .]*(\d+)$")  # of a file's name without its suffix: film and number
FRAMES = 3  # numbered files of a name, on average, that look like a sequence
WORDS = re.compile(r"(frame|slice|film|video|seq|stack)", re.IGNORECASE)  # of one sequence alone
SUGGESTED = r"(.*?)[-_ .]*\d+\.\w+$"


def with_groups(data: Data, groups: str | Path) -> Data:
    """`data` with a group for each file; `choose_parts` then keeps every group in one part.

    groups: a regular expression, whose first group, or match, in the relative file name is the name of the group; or a
    .csv with columns file and group. A file without a group is one of its own. Raises BadInput for items without file
    names, for an expression or a table that cannot be used, and if all files are in one group.
    """
    if isinstance(data.names, Numbered):
        raise BadInput(f"groups={groups}: items have no file names; a folder of files is accepted")
    files = [image_of(name) for name in data.names]
    skipped = {name for name, _ in data.skipped}
    table = str(groups).lower().endswith(".csv")
    of = _by_table(Path(groups), files, skipped) if table else _by_name(str(groups), files)
    keys = [("group", of[name]) if name in of else ("file", name) for name in files]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    count, alone = len(numbers), len(set(files) - of.keys())
    if count < 2:
        raise BadInput(f"groups={groups}: all files are in one group; two or more are accepted")
    most = max(np.bincount([numbers[key] for key in dict(zip(files, keys, strict=True)).values()]))
    note = f"groups={groups}: {count - alone} groups of up to {most} files"
    note += f", {alone} files of none" if alone else ""
    note += f"; of fewer than {FEW} none is held back" if count < FEW else ""
    return replace(
        data,
        pictures=np.array([numbers[key] for key in keys]),
        notes=[*data.notes, note],
        source={**data.source, "groups": str(groups)},
    )


def _by_name(pattern: str, files: Sequence[str]) -> dict[str, str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise BadInput(f"groups={pattern}: not a regular expression ({error}); a .csv is accepted, too") from error
    found = {file: match[(match.lastindex and 1) or 0] for file in set(files) if (match := expression.search(file))}
    if not found:
        raise BadInput(f"groups={pattern}: no match in the file names, such as {files[0]}")
    return {file: group for file, group in found.items() if group}


def _by_table(path: Path, files: Sequence[str], skipped: Set[str]) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as a table of groups ({error})") from error
    head = text.partition("\n")[0]
    rows = list(csv.DictReader(text.splitlines(), delimiter=";" if ";" in head and "," not in head else ","))
    columns = {str(name).strip().lower(): name for name in (rows[0] if rows else {})}
    if not {"file", "group"} <= columns.keys():
        raise BadInput(f"{path}: has the columns {head.strip() or '(none)'}; columns file and group are accepted")
    known: defaultdict[str, set[str]] = defaultdict(set)
    for file in set(files):
        for name in {file, without_suffix(file)}:
            known[name].add(file)
    found: dict[str, str] = {}
    missing: list[str] = []
    for row in rows:
        name, group = ((row[columns[key]] or "").strip() for key in ("file", "group"))
        own = known.get(name) or known.get(without_suffix(name)) if name else None
        if own is None:
            missing += [] if name in skipped else [name]
        elif group:
            found |= dict.fromkeys(own, group)
    if missing:
        listed = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise BadInput(
            f"{path}: files that are not in the data: {len(missing)} ({listed}); relative names are accepted"
        )
    return found


def note_on_sequences(names: Sequence[str]) -> str | None:
    """A sentence for the user if file names look like frames of films or slices of stacks, which are much alike.

    That is: numbered files of several names, or numbers in equal steps above 1, or a name such as frame_0001.
    """
    files = [PurePosixPath(name) for name in dict.fromkeys(map(image_of, names))]
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for path in files:
        if match := FRAME.match(path.stem):
            numbers[f"{path.parent}/{match[1]}"].append(int(match[2]))
    sequences = {name: sorted(each) for name, each in numbers.items() if len(each) >= FRAMES}
    if not sequences or sum(map(len, sequences.values())) < 0.8 * len(files):
        return None
    steps = [np.diff(each) for each in sequences.values()]
    strided = all(len(set(each.tolist())) == 1 and each[0] > 1 for each in steps)
    if len(sequences) == 1 and not strided and not WORDS.search(next(iter(sequences))):
        return None
    first, count = next(iter(sequences)).removeprefix("./"), len(sequences)
    found = f"{count} sequences ({first}…)" if count > 1 else f"one sequence ({first}…)"
    remedy = (
        f"'{SUGGESTED}' keeps each sequence" if count > 1 else "FILE.csv (columns file and group) keeps each stretch"
    )
    return (
        f"file names look like frames of {found}, which are much alike, and frames next to each other are in different "
        f"parts: measured errors are too small; --groups {remedy} in one part"
    )
