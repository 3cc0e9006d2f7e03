"""Writes results to one file or to a folder with the relative names of the input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from isthmus.autoencoder import Autoencoder
from isthmus.data import Data, from_unit
from isthmus.data.tables.cells import write_table
from isthmus.data.tables.schema import Schema
from isthmus.distributed import first_rank
from isthmus.errors import BadInput
from isthmus.fields import Range, range_of
from isthmus.files import atomic, atomic_folder, check_output
from isthmus.inference.distributed import gather_batches, shared_folder
from isthmus.inference.result import unique_names
from isthmus.media.npy_images import save_array
from isthmus.report import as_pictures, grid, write_gif, write_picture
from isthmus.report.pictures import SUFFIXES

if TYPE_CHECKING:
    from lightning_fabric import Fabric

IMAGE_SUFFIXES = SUFFIXES[8]


def check_format(out: Path) -> None:
    """Raise BadInput for a path with the suffix of a format that OutputWriter does not write."""
    suffix, accepted = out.suffix.lower(), (".npy", ".csv", ".gif", *IMAGE_SUFFIXES)
    if suffix[1:].isalpha() and suffix not in accepted:
        raise BadInput(f"{out}: unsupported output format {suffix}; {', '.join(accepted)} or a folder is accepted")


class OutputWriter:
    """Writes items chunk by chunk to `out`, in the format of its suffix.

    .npy: one array in the units of the training data. .csv: one row per item, with the columns of `table`. .gif: an
    animation. An image suffix: the image, or a grid of several. Anything else: a folder with `names`, as .png, or as
    .tif for a 16-bit .tif. text: a function of the position of an item, or of None for a grid, whose result each PNG
    gets as its text.
    No file is left behind if an error is raised.
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
        text: Callable[[int | None], str] | None = None,
    ) -> None:
        self.text = text or (lambda position: "")
        self.out, self.names, self.range, self.sixteen, self.force = Path(out), names, range, sixteen, force
        self.table = None if table is None else Schema.of(table)
        if first_rank():
            check_output(self.out, force=force)

    def write(self, batches: Iterable[Tensor], fabric: Fabric | None = None, first: int = 0) -> Path:
        """Write the batches N×shape in [0, 1]; return the path.

        fabric: of several ranks that write one result; these batches then begin at item `first`.
        """
        suffix = self.out.suffix.lower()
        if suffix in (".npy", ".gif", ".csv", *IMAGE_SUFFIXES):
            items = gather_batches(batches, self.out, "items", fabric) if fabric else torch.cat(list(batches))
            if items is None:
                return self.out
            if suffix in (".npy", ".csv"):
                self._array(items)
            elif suffix == ".gif":
                write_gif(self.out, list(as_pictures(items)))
            elif len(items) == 1:
                bits = 16 if self.sixteen and suffix in SUFFIXES[16] else 8
                write_picture(
                    self.out, as_pictures(self._as_16_bit(items) if bits == 16 else items)[0], bits, self.text(0)
                )
            else:
                write_picture(self.out, grid(items), text=self.text(None))
        else:
            check_format(self.out)
            self._folder(batches, fabric, first)
        return self.out

    def _array(self, items: Tensor) -> None:
        values = from_unit(items, self.range).numpy()
        if self.table is not None and self.out.suffix.lower() == ".csv":
            write_table(self.out, values, self.table, self.names)
            return
        if self.out.suffix.lower() == ".npy":
            save_array(self.out, values)
        else:
            with atomic(self.out) as temporary, temporary.open("wb") as file:
                np.savetxt(file, values.reshape(len(values), -1), delimiter=",", fmt="%.7g")

    def _folder(self, batches: Iterable[Tensor], fabric: Fabric | None, first: int) -> None:
        names = unique_names(
            [str(PurePosixPath(name).with_suffix(self._suffix(name))) for name in self.names], self.names
        )
        context = (
            shared_folder(self.out, fabric, force=self.force) if fabric else atomic_folder(self.out, force=self.force)
        )
        with context as folder:
            paths = enumerate(names[first:], first)
            for batch in batches:
                for picture in as_pictures(self._as_16_bit(batch) if self.sixteen else batch):
                    position, name = next(paths)
                    write_picture(folder / name, picture, 16 if self.sixteen else 8, self.text(position))

    def _as_16_bit(self, items: Tensor) -> Tensor:
        """Items as shares of 65535, in the units of the training data: 12-bit data in 16 bits stay below 4096."""
        return (from_unit(items, self.range) / 65535).clamp(0, 1)

    def _suffix(self, name: str) -> str:
        deep_tiff = self.sixteen and PurePosixPath(name).suffix.lower() in (".tif", ".tiff")
        return ".tif" if deep_tiff else ".png"


def writer_for(data: Data, out: Path | str, *, force: bool = False) -> OutputWriter:
    """A writer with the names, the value range and the bit depth of `data`."""
    sixteen = data.dtype == torch.uint16
    return OutputWriter(out, data.names, range=data.range, sixteen=sixteen, force=force, table=data.table)


def write_decoded(
    model: Autoencoder,
    batches: Iterable[Tensor],
    names: Sequence[str],
    out: Path | str | None,
    *,
    sixteen: bool = False,
    force: bool = False,
    text: Callable[[int | None], str] | None = None,
) -> Tensor | Path:
    """Items in [0, 1] that a model decoded: N×shape, or the path of `out`.

    The files have the value range and the table of the training data of the model. sixteen: images have 16 bits. text:
    see OutputWriter.
    """
    if out is None:
        return torch.cat(list(batches))
    like = {"range": (0.0, 1.0)} | model.about.get("input", {})
    how: dict[str, Any] = {"sixteen": sixteen, "force": force, "table": like.get("table"), "text": text}
    writer = OutputWriter(out, names, range=range_of(like), **how)
    return writer.write(batches)
