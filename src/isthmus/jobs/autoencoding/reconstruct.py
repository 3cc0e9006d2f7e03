"""reconstruct, embed and decode: what a model makes of items, in one step or in two with the code between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.autoencoder import CHUNK
from isthmus.data.base import range_of
from isthmus.distributed import first_rank, joint_failure
from isthmus.files import check_output
from isthmus.inference.distributed import gather_batches, rows_of_rank, start_processes
from isthmus.inference.inputs import RunOrModel, as_model, chunks, open_for
from isthmus.inference.outputs import OutputWriter, writer_for
from isthmus.jobs.autoencoding.code_files import check_codes_name, described, read_codes, write_codes


def reconstruct(
    run: RunOrModel,
    source: Any,
    *,
    out: Path | str | None = None,
    split: str | None = None,
    first: int | None = None,
    force: bool = False,
    **processes: Any,
) -> Tensor | Path:
    """What the model makes of `source`: N×shape in [0, 1], or, with `out`, the path of what was written.

    processes: device, devices and nodes, which share what is written to `out`. Raises BadInput for a run, data or an
    out that cannot be used.
    """
    model = as_model(run)
    data = open_for(model, source, split=split, first=first)
    if out is None:
        return torch.cat([model.reconstruct(x, unit=True) for _, x in chunks(data)])
    sink, fabric = writer_for(data, out, force=force), start_processes(**processes)
    rows, model = rows_of_rank(data, fabric), model.to(fabric.device)
    with joint_failure(fabric):
        batches = (model.reconstruct(x, unit=True) for _, x in chunks(data, rows))
        return sink.write(batches, fabric, rows.start)


def embed(
    run: RunOrModel,
    source: Any,
    *,
    out: Path | str | None = None,
    split: str | None = None,
    first: int | None = None,
    force: bool = False,
    **processes: Any,
) -> dict[str, np.ndarray] | Path:
    """The codes of `source`: {"codes": N×K float32, "files": N names, "indices": N×grid where discrete, "labels": N}.

    labels: those of the data, or the first folder in each name, as "cats" of cats/7.png; absent where there are none.
    Of a table they are words, and "ids" are the N texts of the column that names its rows, where there is one.
    With `out` they are written, and the path is returned: .npz holds the arrays, .csv and .tsv a row an item, .npy the
    codes alone. processes, errors: as reconstruct.
    """
    model = as_model(run)
    if out is not None and first_rank():
        check_output(check_codes_name(out), force=force)
    data = open_for(model, source, split=split, first=first)
    fabric = start_processes(**processes) if out is not None else None
    model = model.to(fabric.device) if fabric else model
    discrete = model.spec.discrete
    vectors, indices = [], []
    for _, x in chunks(data, rows_of_rank(data, fabric) if fabric else None):
        vectors.append(model.encode(x, unit=True).flatten(1).float())
        if discrete:
            indices.append(model.symbols(x, unit=True))
    made: dict[str, list[Any]] = {"codes": vectors} | ({"indices": indices} if discrete else {})
    if fabric is None or out is None:
        return described({name: torch.cat(parts) for name, parts in made.items()}, data)
    with joint_failure(fabric):
        whole = {name: gather_batches(parts, Path(out), name, fabric) for name, parts in made.items()}
        if fabric.is_global_zero:
            write_codes(out, described(whole, data))
        fabric.barrier()
    return Path(out)


def decode(
    run: RunOrModel,
    codes: Any,
    *,
    out: Path | str | None = None,
    force: bool = False,
    device: str | None = None,
) -> Tensor | Path:
    """Pictures of codes N×K (an array, .npz as embed writes it, or .npy): N×shape in [0, 1], or the path of `out`.

    decode(embed(x)) is reconstruct(x) to the bit. device: auto, cpu, cuda or mps; None: where the model is.
    Raises BadInput for codes that are not this model's.
    """
    model = as_model(run, device)
    found = read_codes(codes)
    z = torch.from_numpy(np.ascontiguousarray(found["codes"]))
    batches: Iterator[Tensor] = (model.decode(part) for part in z.split(CHUNK))
    if out is None:
        return torch.cat(list(batches))
    names = [str(name) for name in found["files"]]
    value_range = range_of({"range": (0.0, 1.0)} | model.about.get("input", {}))
    table = model.about.get("input", {}).get("table")
    sixteen = bool(found["sixteen"])
    return OutputWriter(out, names, range=value_range, sixteen=sixteen, force=force, table=table).write(batches)
