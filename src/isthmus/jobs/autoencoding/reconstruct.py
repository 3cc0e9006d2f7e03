"""reconstruct, embed and decode: apply a trained autoencoder as a whole, or its encoder or decoder only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.autoencoder import CHUNK
from isthmus.distributed import first_rank, joint_failure
from isthmus.files import check_output
from isthmus.inference.distributed import gather_batches, rows_of_rank, start_processes
from isthmus.inference.inputs import RunOrModel, chunks, open_for
from isthmus.inference.outputs import write_decoded, writer_for
from isthmus.jobs import model_for
from isthmus.jobs.autoencoding.code_files import check_codes_name, code_arrays, read_codes, write_codes
from isthmus.jobs.image_model import model_of_items


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
    """Reconstruct the items of `source`: N×shape in [0, 1], or the path of `out`.

    processes: device, devices and nodes, for output to `out` only. Raises BadInput for an unusable run, data or out.
    """
    model = model_of_items("reconstruct", run)
    data = open_for(model, source, split=split, first=first)
    if out is None:
        return torch.cat([model.reconstruct(x, unit=True) for _, x in chunks(data)])
    writer, fabric = writer_for(data, out, force=force), start_processes(**processes)
    rows, model = rows_of_rank(data, fabric), model.to(fabric.device)
    with joint_failure(fabric):
        batches = (model.reconstruct(x, unit=True) for _, x in chunks(data, rows))
        return writer.write(batches, fabric, rows.start)


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
    """Encode the items of `source`: {"codes": N×K float32, "files": N names, "indices": N×grid, "labels": N}.

    indices: of discrete codes. labels: those of the data, or the first folder in each name, as "cats" of cats/7.png;
    strings for a table, which also has "ids", N strings, if a column names its rows. Absent if there are none.
    With `out` the path is returned: .npz holds all arrays, .csv and .tsv one row per item, .npy the codes only.
    processes, errors: as for reconstruct.
    """
    model = model_for("embed", run)
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
    lists: dict[str, list[Any]] = {"codes": vectors} | ({"indices": indices} if discrete else {})
    if fabric is None or out is None:
        return code_arrays({name: torch.cat(parts) for name, parts in lists.items()}, data)
    with joint_failure(fabric):
        gathered = {name: gather_batches(parts, Path(out), name, fabric) for name, parts in lists.items()}
        if fabric.is_global_zero:
            write_codes(out, code_arrays(gathered, data))
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
    """Decode codes N×K (an array, or a file written by embed, or .npy): N×shape in [0, 1], or the path of `out`.

    decode(embed(x)) equals reconstruct(x) to the bit. device: auto, cpu, cuda or mps; None: that of the model.
    Raises BadInput for codes that do not fit the model.
    """
    model = model_of_items("decode", run, device)
    stored = read_codes(codes)
    codes_of_items = torch.from_numpy(np.ascontiguousarray(stored["codes"]))
    batches = (model.decode(part) for part in codes_of_items.split(CHUNK))
    names = [str(name) for name in stored["files"]]
    return write_decoded(model, batches, names, out, sixteen=bool(stored["sixteen"]), force=force)
