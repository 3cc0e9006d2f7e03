"""fit(): train a module on data, and return a run."""

from __future__ import annotations

import math
import time
import warnings
from pathlib import Path
from typing import Any

from torch import nn

from isthmus import store
from isthmus.autoencoder import Autoencoder
from isthmus.data import choose_parts, open_data
from isthmus.data.base import numpy_type
from isthmus.distributed import first_rank, joint_failure
from isthmus.errors import BadInput, Note
from isthmus.fields import by_column
from isthmus.files import check_output
from isthmus.registry import replace_child
from isthmus.spec import Hooks
from isthmus.training.callbacks import Callbacks
from isthmus.training.checkpoint import restore_training
from isthmus.training.loop import Training
from isthmus.training.options import batch_for, settle
from isthmus.training.run import Run
from isthmus.training.time_budget import epochs_within


def fit(
    module: nn.Module,
    data: Any,
    *,
    out: Path | str | None = None,
    resume: bool = False,
    quiet: bool = False,
    callbacks: Callbacks | None = None,
    **given: Any,
) -> Run:
    """Train `module`, whose forward(sample, ctx) returns Losses, on `data`; return the Run.

    data: anything open_data takes: a folder, an array (N, 784), (N, 28, 28) or N×C×H×W, a torch Dataset, "mnist".
    out: the run folder; it must not exist yet, except with `resume`, which continues from the last checkpoint, starts
    if there is none, and returns at once if the run is finished. callbacks: see CallbackList. given: keys of TRAINING,
    which override the defaults of the recipe.

    Raises BadInput for data, options or a folder that cannot be used; Diverged if the loss becomes NaN or infinite (the
    last finite weights are in the model and in the run); KeyboardInterrupt after Ctrl-C, and ProcessLost if another
    process of the same training ends, both with a run that can be resumed.
    """
    if not isinstance(module, nn.Module):
        raise BadInput(
            f"fit({module!r}, ...): a model is accepted, as isthmus.create({module!r}, shape=...) makes it; "
            f"isthmus.train({module!r}, data, out=...) makes and trains one"
        )
    began, hooks = time.perf_counter(), Hooks.of(module)
    about, shape = dict(hooks.about), hooks.shape
    options = settle(about.get("training", {}), {"seed": about.get("seed", 0)} | given)
    sides = shape[1:] if shape is not None and len(shape) == 3 else None
    cut = min(sides) if sides and about.get("cut") else None  # restoration learns from patches
    full = max(sides) if sides and about.get("whole") else None  # anomaly detection learns from full images
    kind = "series" if shape is not None and len(shape) == 2 else ""
    data = open_data(data, like=about.get("input"), cut=cut, whole=full, white=options["white"], kind=kind)
    data = data if shape is None else data.reshaped(shape)
    if by_column(data.range) and isinstance(module, Autoencoder):
        before, after = module.objective, module.objective.unbounded()
        if type(before) is not type(after):
            text = f"columns of several units: {type(before).__name__} becomes {type(after).__name__}"
            hint = "create(..., loss='mse') also starts at PCA"
            warnings.warn(f"{text}, as the values may lie outside of 0..1; {hint}", Note, stacklevel=2)
        replace_child(module, "objective", after)
    run = Path(out) if out is not None else None
    resumed = resume and run is not None and store.is_run(run)
    if run is not None and not resumed and first_rank():
        store.remove_without_config(run) if resume else None
        check_output(run, hint="resume continues it")
    if run is not None and resumed and options["budget"] is not None:  # a resumed run keeps its planned epochs
        known = store.read_config(run)["about"]["training"]
        given = {"epochs": known["epochs"], "batch_size": known["batch_size"]} | given
        options |= {key: known[key] for key in ("epochs", "batch_size")}
    inputs = {
        "shape": list(data.shape),
        "range": list(data.range),
        "float": data.dtype.is_floating_point,
        "dtype": data.source.get("dtype", numpy_type(data.dtype).name),
        "gray": data.shape[0] == 1,
        "cut": "cut" in data.source,
        "whole": bool(about.get("whole")),
    } | ({} if data.table is None else {"table": data.table})
    module.about = about | {"input": inputs, "data": data.source, "training": options}  # type: ignore[assignment]
    parts = choose_parts(data, **{key: options[key] for key in ("seed", "validation", "test")})
    if "batch_size" not in given:
        options["batch_size"] = batch_for(options, len(parts["train"]))
    training = Training(module, data, parts, options, run, quiet or not first_rank(), callbacks)
    training.fresh, training.early_stopping.began = not resumed, began  # opening the data is part of a budget
    if options["least_steps"] and "epochs" not in given:
        epochs = max(options["epochs"], math.ceil(options["least_steps"] / training.epoch_steps))
        if options["patience"] is not None and "patience" not in given:
            options["patience"] = math.ceil(options["patience"] * epochs / options["epochs"])
        options["epochs"] = epochs
    with joint_failure(training.fabric):
        if resumed:
            assert run is not None
            if first_rank():  # a slower rank would delete files that the first one is writing
                store.remove_temporary_files(run)
            restore_training(training)
        elif options["budget"] is not None:
            options["epochs"] = epochs_within(options["budget"], training, "batch_size" not in given)
        return training.run()
