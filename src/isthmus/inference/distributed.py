"""Inference by several processes: each takes a contiguous range of chunks, and the first writes the result."""

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


def start_processes(device: str = "auto", devices: int = 1, nodes: int = 1) -> Fabric:
    """Start or join the processes. Raises BadInput as fabric_of does."""
    options = {"device": device, "devices": devices, "nodes": nodes, "strategy": "ddp", "precision": "32-true"}
    return fabric_of(options)


def rows_of_rank(data: Data, fabric: Fabric) -> slice:
    """The rows of this rank, in the chunks of a single process, so that the results are identical."""
    chunks = rank_rows(-(-len(data) // CHUNK), fabric)
    return slice(chunks.start * CHUNK, min(chunks.stop * CHUNK, len(data)))


def gather_batches(batches: Iterable[Tensor], out: Path, name: str, fabric: Fabric) -> Tensor | None:
    """Gather the batches of all ranks, in order, on rank 0; None on the others. Exchanged as files next to `out`.

    Every rank removes the files of all ranks at the end, including those of an earlier attempt that was killed.
    """
    try:
        own_batches = list(batches)
        if fabric.world_size == 1:
            return torch.cat(own_batches)
        paths = [out.with_name(f".{out.name}.{name}.{rank}.tmp") for rank in range(fabric.world_size)]
        out.parent.mkdir(parents=True, exist_ok=True)
        with paths[fabric.global_rank].open("wb") as file:
            np.save(
                file, torch.cat(own_batches).numpy() if own_batches else np.empty(0, np.float32), allow_pickle=False
            )
        fabric.barrier()
        parts = [read_batches(path) for path in paths] if fabric.is_global_zero else []
        fabric.barrier()  # all are read and can be removed
        return torch.cat([part for part in parts if len(part)]) if parts else None
    finally:
        for part in out.parent.glob(f".{escape(out.name)}.{name}.[0-9]*.tmp"):
            with suppress(OSError):
                part.unlink()


def read_batches(path: Path) -> Tensor:
    """Read the batches of a rank; ProcessLost if the file is missing, because a failing rank removes the files."""
    try:
        return torch.from_numpy(np.load(path, allow_pickle=False))
    except FileNotFoundError as error:
        raise ProcessLost from error


@contextmanager
def shared_folder(out: Path, fabric: Fabric, *, force: bool = False) -> Iterator[Path]:
    """An atomic_folder for all ranks, renamed to `out` once every rank has finished.

    The first rank that fails removes it. Another rank may create it again while writing, and so removes it as well, or
    may fail to write because it is gone, and raises ProcessLost.
    """
    with atomic_folder(out, force=force) if fabric.is_global_zero else nullcontext() as temporary:
        folder = Path(fabric.broadcast(str(temporary)))
        try:
            yield folder
            fabric.barrier()
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            cause = error.__cause__
            if fabric.world_size > 1 and isinstance(cause, FileNotFoundError) and str(folder) in str(cause.filename):
                raise ProcessLost from error
            raise
