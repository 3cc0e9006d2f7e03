"""reconstruct, embed and decode: what a model makes of items, in one step or in two with the code between."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.autoencoder import CHUNK
from isthmus.data import Data
from isthmus.data.base import range_of
from isthmus.errors import BadInput
from isthmus.files import atomic, claim
from isthmus.machines import first_rank, together
from isthmus.tasks.inputs import RunOrModel, as_model, chunks, open_for
from isthmus.tasks.outputs import Sink, sink_for
from isthmus.tasks.ranks import gathered, rows_of, workers


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
    sink, fabric = sink_for(data, out, force=force), workers(**processes)
    rows, model = rows_of(data, fabric), model.to(fabric.device)
    with together(fabric):
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
    """The codes of `source`: {"codes": N×K float32, "files": N names, "indices": N×grid where discrete}.

    With `out` they are written as .npz (the arrays), and the path is returned. processes, errors: as reconstruct.
    """
    model = as_model(run)
    if out is not None and first_rank():
        claim(out, force=force)
    data = open_for(model, source, split=split, first=first)
    fabric = workers(**processes) if out is not None else None
    model = model.to(fabric.device) if fabric else model
    discrete = getattr(model.bottleneck, "discrete", False)
    codes, indices = [], []
    for _, x in chunks(data, rows_of(data, fabric) if fabric else None):
        codes.append(model.encode(x, unit=True).flatten(1).float())
        if discrete:
            indices.append(model.symbols(x, unit=True))
    made: dict[str, list[Any]] = {"codes": codes} | ({"indices": indices} if discrete else {})
    if fabric is None or out is None:
        return described({name: torch.cat(parts) for name, parts in made.items()}, data)
    with together(fabric):
        whole = {name: gathered(parts, Path(out), name, fabric) for name, parts in made.items()}
        if fabric.is_global_zero:
            with atomic(out) as temporary, temporary.open("wb") as file:
                np.savez(file, **described(whole, data))  # type: ignore[arg-type]
        fabric.barrier()
    return Path(out)


def described(codes: dict[str, Any], data: Data) -> dict[str, np.ndarray]:
    """What codes.npz holds: codes, indices where there are some, names, and the depth of the pictures."""
    types = {"codes": np.float32, "indices": np.int32}
    arrays = {name: tensor.numpy().astype(types[name]) for name, tensor in codes.items()}
    return {**arrays, "files": np.array(list(data.names)), "sixteen": np.array(data.dtype == torch.uint16)}


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
    return Sink(out, names, range=value_range, sixteen=bool(found["sixteen"]), force=force).write(batches)


def read_codes(codes: Any) -> dict[str, np.ndarray]:
    """codes and files out of what embed made; BadInput for a file that holds none, or numbers that are no number."""
    if isinstance(codes, (str, Path)):
        if Path(codes).exists() and not Path(codes).is_file():
            raise BadInput(f"{codes}: not a file of codes; .npz as embed writes it, or .npy is accepted")
        try:
            loaded = np.load(codes, allow_pickle=False)
            found = {key: loaded[key] for key in loaded.files} if hasattr(loaded, "files") else {"codes": loaded}
        except FileNotFoundError:
            raise BadInput(f"{codes}: there is no such file") from None
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise BadInput(f"{codes}: not a file of codes; .npz as embed writes it, or .npy is accepted") from error
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
