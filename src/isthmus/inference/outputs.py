"""Where results go: one file, a folder with the same relative names, an array, a grid, a film."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data import Data, from_unit
from isthmus.data.base import Range
from isthmus.data.tables.cells import write_table
from isthmus.data.tables.schema import Schema
from isthmus.distributed import first_rank
from isthmus.errors import BadInput
from isthmus.files import atomic, atomic_folder, check_output
from isthmus.inference.ranks import gathered, shared_folder
from isthmus.report import as_pictures, grid, write_gif, write_picture

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


class Sink:
    """Takes pictures chunk by chunk and writes them to `out` by its suffix.

    .npy: one array in the numbers of the training data. .csv: rows of them, under the names of `table`. .gif: a film. A
    picture suffix: the picture where there is one, else a grid. Anything else: a folder with `names`, as .png, or .tif
    where they were so and of 16 bits.
    Nothing is left behind when an error is raised inside.
    """

    def __init__(
        self,
        out: Path | str,
        names: Sequence[str],
        *,
        range: Range = (0.0, 1.0),
        sixteen: bool = False,
        force: bool = False,
        table: Mapping[str, Any] | None = None,
    ) -> None:
        self.out, self.names, self.range, self.sixteen, self.force = Path(out), names, range, sixteen, force
        self.table = None if table is None else Schema.of(table)
        if first_rank():
            check_output(self.out, force=force)

    def write(self, batches: Iterable[Tensor], fabric: Fabric | None = None, first: int = 0) -> Path:
        """Write all of the batches N×shape in [0, 1]; return where.

        With a fabric of several ranks these are the batches from item `first` on, and all write one result.
        """
        suffix = self.out.suffix.lower()
        if suffix in (".npy", ".gif", ".csv", *PICTURES):
            items = gathered(batches, self.out, "items", fabric) if fabric else torch.cat(list(batches))
            if items is None:
                return self.out
            if suffix in (".npy", ".csv"):
                self._array(items)
            elif suffix == ".gif":
                write_gif(self.out, list(as_pictures(items)))
            elif len(items) == 1:
                bits = 16 if self.sixteen and suffix in (".png", ".tif", ".tiff") else 8
                write_picture(self.out, as_pictures(self._deep(items) if bits == 16 else items)[0], bits)
            else:
                write_picture(self.out, grid(items))
        elif suffix and suffix[1:].isalpha():
            kinds = ", ".join((".npy", ".csv", ".gif", *PICTURES))
            raise BadInput(f"{self.out}: nothing here writes {suffix}; {kinds} or a folder is accepted")
        else:
            self._folder(batches, fabric, first)
        return self.out

    def _array(self, items: Tensor) -> None:
        values = from_unit(items, self.range).numpy()
        if self.table is not None and self.out.suffix.lower() == ".csv":
            write_table(self.out, values, self.table, self.names)
            return
        with atomic(self.out) as temporary, temporary.open("wb") as file:
            if self.out.suffix.lower() == ".npy":
                np.save(file, values, allow_pickle=False)
            else:
                np.savetxt(file, values.reshape(len(values), -1), delimiter=",", fmt="%.7g")

    def _folder(self, batches: Iterable[Tensor], fabric: Fabric | None, first: int) -> None:
        names = unique([str(PurePosixPath(name).with_suffix(self._suffix(name))) for name in self.names])
        own = shared_folder(self.out, fabric, force=self.force) if fabric else atomic_folder(self.out, force=self.force)
        with own as folder:
            places = iter(names[first:])
            for batch in batches:
                for picture in as_pictures(self._deep(batch) if self.sixteen else batch):
                    write_picture(folder / next(places), picture, 16 if self.sixteen else 8)

    def _deep(self, items: Tensor) -> Tensor:
        """Shares of what 16 bits hold, in the numbers of the training data: 12 bits in 16 stay below 4096."""
        return (from_unit(items, self.range) / 65535).clamp(0, 1)

    def _suffix(self, name: str) -> str:
        deep_tiff = self.sixteen and PurePosixPath(name).suffix.lower() in (".tif", ".tiff")
        return ".tif" if deep_tiff else ".png"


def unique(names: Sequence[str]) -> list[str]:
    """The names, with -2, -3 ... where a.jpg and a.png would both become a.png."""
    taken: set[str] = set()
    result = []
    for name in names:
        path, number = PurePosixPath(name), 1
        while str(path) in taken:
            number += 1
            path = PurePosixPath(name).with_stem(f"{PurePosixPath(name).stem}-{number}")
        taken.add(str(path))
        result.append(str(path))
    return result


def sink_for(data: Data, out: Path | str, *, force: bool = False) -> Sink:
    """A sink with the names, the numbers and the depth of `data`."""
    sixteen = data.dtype == torch.uint16
    return Sink(out, data.names, range=data.range, sixteen=sixteen, force=force, table=data.table)
