"""generate: new items from a prior over the codes, variations of an item, completions and latent walks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isthmus.errors import BadInput
from isthmus.files import check_output
from isthmus.inference.inputs import RunOrModel
from isthmus.inference.outputs import check_format, write_decoded
from isthmus.jobs.generation.fitted import AUTO, prior_of
from isthmus.jobs.generation.labels import label_number
from isthmus.jobs.generation.near import completed_codes, varied_codes
from isthmus.jobs.generation.one_item import numbered
from isthmus.jobs.generation.origins import Origins
from isthmus.jobs.generation.sampling import sampled_codes, sampled_items
from isthmus.jobs.generation.walk import walked_codes
from isthmus.jobs.image_model import model_of_items

VARIATION = 0.3  # temperature of variations, where none is given


def generate(
    run: RunOrModel,
    n: int = 64,
    *,
    prior: str = AUTO,
    label: str | None = None,
    near: Any = None,
    complete: Any = None,
    walk: int = 0,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    index: int = 0,
    data: Any = None,
    budget: str | float | None = None,
    out: Path | str | None = None,
    seed: int = 0,
    force: bool = False,
    device: str | None = None,
) -> Tensor | Path:
    """Generate n items, `index` to index + n - 1 of `seed`: n×shape in [0, 1], or the path of `out`.

    An item depends on the run, the prior, the seed, its index and the options alone, not on n or the device's random
    numbers; these stand in each PNG (text chunk "isthmus") and, for a folder, in samples.csv.

    prior: normal, mixture, flow, transformer, or auto: the prior that the run was trained with, else the one that suits
    the code. A prior that the run lacks is first fitted to its training data, or to `data`, and kept in the run.
    budget: the time for that, such as "5m". label: a class of the training data. near: an item that is varied by
    `temperature`, from 0 (its reconstruction) to 1 (a new
    item). complete: an image whose upper half is kept, for discrete codes. walk: number of items from each generated
    code to the next, on a closed path. temperature: below 1, items nearer to the modes of the prior. top_k, top_p: of
    the transformer, the symbols that are drawn from. device: auto, cpu, cuda or mps; None: that of the model.

    Raises BadInput for options that exclude each other, that the prior does not have, and for n below 1.
    """
    if n < 1:
        raise BadInput(f"n is {n}: 1 or more is accepted")
    if index < 0:
        raise BadInput(f"index is {index}: 0 or more is accepted")
    modes = {"near": near is not None, "continue": complete is not None, "walk": walk > 0}
    given = [name for name, is_given in modes.items() if is_given]
    if len(given) > 1:
        raise BadInput(f"{' and '.join(given)}: give only one of them")
    if out is not None:
        check_format(check_output(out, force=force))
    model = model_of_items("generate", run, device)
    fitted = prior_of(model, prior, data, budget=budget)
    number = None if label is None else label_number(fitted, label)
    if temperature is None:
        temperature = 1.0 if near is None else VARIATION
    indices = range(index, index + n)
    how: dict[str, Any] = {"indices": indices, "seed": seed, "label": number, "temperature": temperature}
    options: dict[str, Any] = {"top_k": top_k, "top_p": top_p}
    if near is not None:
        blocks = varied_codes(model, fitted, near, **how)
    elif complete is not None:
        blocks = completed_codes(model, fitted, complete, **how, **options)
    else:
        blocks = sampled_codes(model, fitted, **how, **options)
    if walk:
        blocks = walked_codes(model, fitted, blocks, walk)
    items = sampled_items(model, blocks)
    if out is None:
        return torch.cat(list(items))
    if walk:  # between items, which have no index
        return write_decoded(model, items, numbered(n * walk), out, force=force)
    sources = {"near": near, "continue": complete}
    named = {name: str(source) for name, source in sources.items() if isinstance(source, (str, Path))}
    origins = Origins(model, fitted, seed, index, label, temperature, not given, {**options, **named})
    path, sixteen = Path(out), model.about.get("input", {}).get("dtype") == "uint16"
    write_decoded(model, origins.watched(items), numbered(n), path, sixteen=sixteen, force=force, text=origins.text)
    if path.is_dir():
        origins.write_table(path)
    return path
