"""Checkpoints of a training: one safetensors file each, written to a temporary name; the last two are kept."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from isthmus import store
from isthmus.data import Data, changed
from isthmus.distributed import gather, shard_like
from isthmus.errors import BadInput
from isthmus.registry import config_of, with_defaults
from isthmus.spec import Hooks
from isthmus.store import load_weights
from isthmus.training.meters import Meters
from isthmus.training.options import RUNTIME

if TYPE_CHECKING:
    from isthmus.training.loop import Training

KEPT = 2


def save(training: Training) -> None:
    """Write the full state of a training. A collective call; the first rank writes."""
    if training.out is None:
        return
    step, first = training.stepper, training.fabric.is_global_zero
    extra = {"ema": step.average.mean, "best": training.best}
    tensors = tensors_of(training.module, step.optimizer.optimizer, extra, keep=first)
    meters = Meters(training.meters.state())
    meters.all_reduce(training.fabric)  # else the mean of this epoch would be that of the first rank
    if not first:
        return
    header = {"step": training.step, "history": training.history, "finished": training.finished, "kept": training.kept}
    header |= {"tally": meters.state(), "micro": step.micro, **training.early_stopping.state()}
    write(training.out, training.step, tensors, header)
    training.callbacks.call("checkpoint")


def restore_training(training: Training) -> None:
    """Load the newest checkpoint into the training. Raises BadInput if the model, the data or the options differ."""
    run, step = training.out, training.stepper
    assert run is not None
    require_same_run(run, training.plain, training.data)
    tensors, header = read(run, training.module, step.optimizer)
    step.average.mean, training.best = tensors.get("ema", {}), tensors.get("best", {})
    step.micro = min(step.micro, header.get("micro", step.micro))
    meters = Meters(header["tally"])
    training.meters = meters if training.fabric.is_global_zero else Meters(meters.zeros())
    training.step, training.history, training.finished = (header[name] for name in ("step", "history", "finished"))
    training.kept = header.get("kept", {})
    training.early_stopping.restore(header)
    if training.step > training.steps:
        raise BadInput(f"{run}: was already trained for more than {training.options['epochs']:g} epochs")
    if training.step < training.steps and training.finished == "done":
        training.finished = ""


def is_complete(run: Path, epochs: float) -> bool:
    """Whether a run has ended and written its results, so that a training of so many epochs has nothing left to do."""
    kept = store.checkpoints(run)
    if not kept or not all((run / name).is_file() for name in store.RESULTS):
        return False
    _, header = store.newest(kept)
    learned = header["step"] == 0 or len(header["history"]) >= epochs  # a module without weights takes no step
    return bool(header["finished"]) and (learned or header["finished"] != "done")


def tensors_of(
    module: nn.Module, optimizer: torch.optim.Optimizer, extra: Mapping[str, Mapping[str, Tensor]], keep: bool
) -> dict[str, Tensor]:
    """Weights, the moments of the optimizer and the `extra` groups; a collective call. keep: on this rank.

    Tensors are gathered and moved to the CPU one by one: all at once they may not fit into the memory of a GPU.
    """
    groups = {"model": module.state_dict(), **extra}
    for index, state in optimizer.state_dict()["state"].items():
        groups[f"optimizer.{index}"] = {name: torch.as_tensor(value) for name, value in state.items()}
    result: dict[str, Tensor] = {}
    for group, tensors in groups.items():
        for name, tensor in tensors.items():
            full = gather({name: tensor})[name]
            if keep:
                result[f"{group}.{name}"] = full.cpu()
    return result


def write(run: Path, step: int, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write the checkpoint of `step`, and delete all but the last two."""
    store.write_tensors(run / store.CHECKPOINTS / f"{step:010d}.safetensors", tensors, header)
    for old in store.checkpoints(run)[:-KEPT]:
        with suppress(OSError):
            old.unlink()


def read(run: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[dict[str, dict[str, Tensor]], Any]:
    """Load the newest checkpoint into module and optimizer; return the extra tensors by group, and the header.

    If the newest is damaged, the previous one is loaded. Raises BadInput if none fits.
    """
    tensors, header = store.newest(store.checkpoints(run))
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        groups.setdefault(group, {})[rest] = tensor
    own = module.state_dict()
    groups = {
        name: shard_like(kept, own) if name in ("model", "ema", "best") else kept for name, kept in groups.items()
    }
    load_weights(module, groups.pop("model", {}), run)
    weights: list[Tensor] = [weight for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in groups.pop("optimizer", {}).items():
        index, _, key = name.partition(".")
        alike = weights[int(index)] if tensor.dim() else tensor  # Adam's moments are sharded like the weights
        state.setdefault(int(index), {})[key] = shard_like({key: tensor}, {key: alike})[key]
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return groups, header


def require_same_run(run: Path, module: nn.Module, data: Data) -> None:
    """Raise BadInput naming the first difference between the run and the model, options and data of this training.

    The number of epochs may differ if neither the rate nor a module depends on the progress of the training: then a
    longer training begins like a shorter one. The keys in RUNTIME may differ, too.
    """
    config = store.read_config(run)
    old: dict[str, Any] = config["about"]
    new: dict[str, Any] = module.about  # type: ignore[assignment]
    schedule = old["training"]["schedule"]
    bound = [f"{schedule} rate"] if schedule != "constant" else ["warmup"] if old["training"]["warmup"] else []
    bound += Hooks.of(module).follows_progress
    if new["training"]["epochs"] != old["training"]["epochs"] and bound:
        data = old["data"].get("path") or old["data"].get("name")
        again = f"isthmus train {old.get('recipe')} {data} --init {run} --epochs {new['training']['epochs']:g}"
        raise BadInput(f"{run}: epochs cannot be changed, because its {bound[0]} ends with them; instead: {again}")
    free = ("epochs", "least_steps", *RUNTIME)  # least_steps has changed epochs already
    require_same({"model": config_of(module)}, {"model": with_defaults(config["model"])}, run)
    require_same({"training": {key: value for key, value in new["training"].items() if key not in free}}, old, run)
    counted = ("fingerprint", "count")
    require_same({"data": {key: value for key, value in new["data"].items() if key not in counted}}, old, run)
    if difference := changed(data, old["data"], store.read_json(run / store.PARTS)):
        raise BadInput(f"{run}: its data have changed since: {difference}; name another --out for a new run")


def require_same(new: dict[str, Any], old: dict[str, Any], run: Path) -> None:
    """Raise BadInput naming the first key whose value in the run to resume differs from the present one."""
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            require_same(value, before, run)
        elif value != before and not (isinstance(value, (tuple, list)) and list(value) == before):
            raise BadInput(f"{run}: was trained with {key}={before}, not {value}; name another --out for a new run")
