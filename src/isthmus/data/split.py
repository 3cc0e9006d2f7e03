"""Splits of a data set (training, validation, test), and their record in a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from isthmus.data.base import Data, Numbered
from isthmus.errors import BadInput

PATCH = re.compile(r"#\d+,\d+$")  # top and left in the name of a patch, a.png#0,64
MANY_SHARDS = 10  # from which on full shards are held out instead of single items


def permutation(seed: int, count: int) -> np.ndarray:
    """A fixed order for (seed, count): RandomState is the only stream that numpy guarantees not to change."""
    return np.random.RandomState(seed % 2**32).permutation(count)


def choose_parts(data: Data, *, seed: int = 0, validation: float = 0.1, test: float = 0.1) -> dict[str, np.ndarray]:
    """Sorted index arrays 'train', 'validation' and 'test' that together contain every item once.

    Official splits are kept: the validation split is then taken from the training split. Otherwise the split follows a
    permutation by the seed. From three items on, a fraction above 0 yields at least one item; the training split is
    never empty. Of many shards, of images cut into patches, and of groups, full shards, images and groups are held out.
    Otherwise each stratum is split by itself.

    Raises BadInput for a fraction outside [0, 1), or two that leave nothing to train on.
    """
    for name, fraction in (("validation", validation), ("test", test)):
        if not 0 <= fraction < 1:
            raise BadInput(f"{name} fraction {fraction:g}: it must be at least 0 and below 1")
    if validation + test >= 1:
        raise BadInput(f"fractions {validation:g} and {test:g}: they leave nothing to train on")

    count = len(data)
    official = {name: np.sort(part) for name, part in data.parts.items() if len(part)}
    if "test" not in official and "train" not in official:
        homes, few = (shards_of(data), MANY_SHARDS) if data.pictures is None else (data.pictures, 2)
        if homes is None and data.strata is not None:
            return _drawn_by_stratum(seed, data.strata, validation, test)
        if homes is None or len(kinds := np.flatnonzero(np.bincount(homes))) < few:
            return _drawn(seed, count, validation, test)
        # Shards are read in one piece, and patches of one image overlap: each belongs to one part.
        pieces = _drawn(seed, len(kinds), validation, test)
        return {part: np.flatnonzero(np.isin(homes, kinds[chosen])) for part, chosen in pieces.items()}

    tests = official.get("test", np.empty(0, np.int64))
    if "validation" in official:
        known = np.concatenate([official["validation"], tests])
        return _sorted(official.get("train", _rest(count, known)), official["validation"], tests)
    train = official.get("train", _rest(count, tests))
    homes = (np.arange(count) if data.pictures is None else data.pictures)[train]
    kinds = np.unique(homes)
    order = kinds[permutation(seed, len(kinds))]
    held = np.isin(homes, order[: _share(validation, len(kinds), keep=1)])
    return _sorted(train[~held], train[held], tests)


def image_of(name: str) -> str:
    """The name of the image of a patch; any other name unchanged."""
    return PATCH.sub("", name)


def shards_of(data: Data) -> np.ndarray | None:
    """The number of the shard of each item; None for a set that is not of shards."""
    starts = getattr(data.items, "starts", None)
    if starts is None:
        return None
    rows = np.arange(len(data)) if data.rows is None else data.rows
    return np.searchsorted(starts, rows, side="right") - 1


def _drawn(seed: int, count: int, validation: float, test: float) -> dict[str, np.ndarray]:
    order = permutation(seed, count)
    tested, held = _share(test, count, keep=1), _share(validation, count, keep=1)
    while tested + held > max(count - 1, 0):  # rounding in a tiny set: the training split goes first
        tested, held = (tested, held - 1) if held >= tested else (tested - 1, held)
    return _sorted(order[tested + held :], order[tested : tested + held], order[:tested])


def _drawn_by_stratum(seed: int, strata: np.ndarray, validation: float, test: float) -> dict[str, np.ndarray]:
    rows = [np.flatnonzero(strata == one) for one in np.unique(strata)]
    drawn = [{part: own[at] for part, at in _drawn(seed, len(own), validation, test).items()} for own in rows]
    return {part: np.sort(np.concatenate([one[part] for one in drawn])) for part in drawn[0]}


def _share(fraction: float, count: int, keep: int) -> int:
    """The number of items in a fraction of `count`: at least one of three or more, and at most count − keep."""
    least = 1 if fraction > 0 and count >= 3 else 0
    return max(0, min(max(round(fraction * count), least), count - keep))


def _rest(count: int, taken: np.ndarray) -> np.ndarray:
    return np.setdiff1d(np.arange(count), taken)


def _sorted(train: np.ndarray, validation: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    return {"train": np.sort(train), "validation": np.sort(validation), "test": np.sort(test)}


def record_parts(data: Data, parts: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The parts as JSON: item names, which are robust against added files; else row numbers such as "0-4 7 9-12"."""
    if isinstance(data.names, Numbered):
        return {part: _ranges(rows) for part, rows in parts.items()}
    return {part: [data.names[row] for row in rows] for part, rows in parts.items()}


def read_parts(data: Data, recorded: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The index arrays that `record_parts` wrote, without items that are missing now; of patches their images, if these
    are the items."""
    row_of = {} if isinstance(data.names, Numbered) else {name: row for row, name in enumerate(data.names)}
    parts = {}
    for part, kept in recorded.items():
        if isinstance(kept, str):
            ends = [(int(first), int(last or first)) for first, _, last in (run.partition("-") for run in kept.split())]
            runs = [np.arange(first, min(last + 1, len(data))) for first, last in ends]
            rows: Any = np.concatenate(runs) if runs else []
        else:
            names = kept if any(name in row_of for name in kept) else dict.fromkeys(map(image_of, kept))
            rows = [row_of[name] for name in names if name in row_of]
        parts[part] = np.array(rows, dtype=np.int64)
    return parts


def _ranges(rows: np.ndarray) -> str:
    runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1) if len(rows) else []
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
