"""A data set and its ground truth, matched by name, as two fields of one set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import torch

from isthmus.data.base import Data, Numbered, kind_of_item
from isthmus.data.split import PATCH
from isthmus.errors import BadInput
from isthmus.fields import NEAREST, ends_of
from isthmus.media.file_content import has_no_suffix


def with_target(data: Data, target: Data) -> Data:
    """`data` with the field "target": the items of `target` matched by name. Names, parts and range of `data`.

    target: ground truth, opened like `data`: images of the same shape and range, or labels or masks of the same height
    and width. Raises BadInput if an item has no target of its name, or one of another size or dtype.
    """
    if data.dtype == target.dtype == torch.uint16:  # the larger bit depth
        shared = max(data.range, target.range)
        data, target = replace(data, range=shared), replace(target, range=shared)
    kind = target.fields["x"].kind
    alike = (
        data.shape[1:] == target.shape[1:]
        if kind in NEAREST
        else ((kind, data.shape, data.range) == (data.fields["x"].kind, target.shape, target.range))
    )
    if not alike:
        one, other = (
            f"{kind_of_item(d.shape)}, {ends_of(d.range)[0]:g} to {ends_of(d.range)[1]:g}" for d in (data, target)
        )
        raise BadInput(f"{one}, but their truth is {other}")
    pairs = replace(
        data.with_field("target", target.subset(by_name(data, target))),
        notes=data.notes + target.notes,
        skipped=data.skipped + target.skipped,
        source={**data.source, "truth": target.source},
    )
    return pairs.to("cpu") if data.in_memory and target.in_memory else pairs


def by_name(data: Data, truth: Data) -> np.ndarray:
    """The rows of `truth` for the items of `data`: by name, else by name without suffix.

    Items without names are matched in order, and must be as many. Raises BadInput for an item without ground truth.
    """
    source = truth.source.get("path") or truth.source.get("name", "the truth")
    if isinstance(data.names, Numbered):
        if len(truth) != len(data):
            raise BadInput(f"{source}: {len(truth)} items for {len(data)}; as many are accepted")
        return np.arange(len(data))
    row_of = {without_suffix(name): row for row, name in enumerate(truth.names)}
    row_of |= {name: row for row, name in enumerate(truth.names)}
    rows: Sequence[int | None] = [row_of.get(name, row_of.get(without_suffix(name))) for name in data.names]
    if None in rows:
        name = data.names[rows.index(None)]
        raise BadInput(f"{source}: holds no truth of {name}" + (", or one of another size" if "#" in name else ""))
    return np.array(rows)


def without_suffix(name: str) -> str:
    """more/a.jpg -> more/a, the name by which an image, its mask and its ground truth belong together.

    A patch keeps its position: a.jpg#0,64 -> a#0,64. The name of a DICOM may be a number with dots, without a suffix.
    """
    patch = PATCH.search(name)
    file, position = (name[: patch.start()], patch[0]) if patch else (name, "")
    return (file if has_no_suffix(file) else str(PurePosixPath(file).with_suffix(""))) + position
