"""Several processes use one model together: each takes a run of chunks, and the first one writes one result."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from isthmus.autoencoder import CHUNK
from isthmus.data import Data
from isthmus.distributed import ProcessLost, fabric_of, rank_rows
from isthmus.files import atomic_folder

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def workers(device: str = "auto", devices: int = 1, nodes: int = 1) -> Fabric:
    """The processes that share the work, started where they are not there yet. Raises BadInput as fabric_of does."""
    how = {"device": device, "devices": devices, "nodes": nodes, "strategy": "ddp", "precision": "32-true"}
    return fabric_of(how)


def rows_of(data: Data, fabric: Fabric) -> slice:
    """The rows of this rank: whole chunks, cut where one process would cut, so that every number is the same."""
    chunks = rank_rows(-(-len(data) // CHUNK), fabric)
    return slice(chunks.start * CHUNK, min(chunks.stop * CHUNK, len(data)))


def gathered(batches: Iterable[Tensor], out: Path, name: str, fabric: Fabric) -> Tensor | None:
    """What all ranks made, in order, on the first of them; None on the others. They meet in files beside `out`.

    Whichever rank is left, it removes the files of all, and those of processes that were killed when this was last
    tried.
    """
    try:
        mine = list(batches)
        if fabric.world_size == 1:
            return torch.cat(mine)
        places = [out.with_name(f".{out.name}.{name}.{rank}.tmp") for rank in range(fabric.world_size)]
        out.parent.mkdir(parents=True, exist_ok=True)
        with places[fabric.global_rank].open("wb") as file:
            np.save(file, torch.cat(mine).numpy() if mine else np.empty(0, np.float32), allow_pickle=False)
        fabric.barrier()
        parts = [part_in(place) for place in places] if fabric.is_global_zero else []
        fabric.barrier()  # all have been read, and may go
        return torch.cat([part for part in parts if len(part)]) if parts else None
    finally:
        for part in out.parent.glob(f".{escape(out.name)}.{name}.[0-9]*.tmp"):
            with suppress(OSError):
                part.unlink()


def part_in(place: Path) -> Tensor:
    """What a rank has left there; Lost where it is gone, because a rank that fails clears up."""
    try:
        return torch.from_numpy(np.load(place, allow_pickle=False))
    except FileNotFoundError as error:
        raise ProcessLost from error


@contextmanager
def shared_folder(out: Path, fabric: Fabric, *, force: bool = False) -> Iterator[Path]:
    """The folder of whole_folder for all ranks, which becomes `out` when all are done with it.

    The first rank that fails removes it. One that is writing then may make it anew, and so removes it as well, or may
    find that what it wrote has no place any more: it raises Lost.
    """
    with atomic_folder(out, force=force) if fabric.is_global_zero else nullcontext() as own:
        folder = Path(fabric.broadcast(str(own)))
        try:
            yield folder
            fabric.barrier()
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            gone = error.__cause__
            if fabric.world_size > 1 and isinstance(gone, FileNotFoundError) and str(folder) in str(gone.filename):
                raise ProcessLost from error
            raise
