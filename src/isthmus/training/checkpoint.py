"""A training on disk: one safetensors file, written beside and renamed; the last two are kept."""

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
from isthmus.model_files import load_weights
from isthmus.registry import config_of, with_defaults
from isthmus.training.meters import Meters
from isthmus.training.options import HOW

if TYPE_CHECKING:
    from isthmus.training.loop import Training

KEPT = 2


def save(training: Training) -> None:
    """All that a training needs to go on as if it had never stopped; all ranks must ask, and the first one writes."""
    if training.out is None:
        return
    step, first = training.stepper, training.fabric.is_global_zero
    extra = {"ema": step.average.mean, "best": training.best}
    tensors = tensors_of(training.module, step.optimizer.optimizer, extra, keep=first)
    tally = Meters(training.tally.state())
    tally.share(training.fabric)  # what all ranks have seen of this epoch, or its mean would be that of the first
    if not first:
        return
    header = {"step": training.step, "history": training.history, "finished": training.finished, "kept": training.kept}
    header |= {"tally": tally.state(), "micro": step.micro, **training.judge.state()}
    write(training.out, training.step, tensors, header)
    training.callbacks.call("checkpoint")


def restore_training(training: Training) -> None:
    """Put the newest checkpoint into the training; BadInput where it is of another model, other data or options."""
    run, step = training.out, training.stepper
    assert run is not None
    must_agree(run, training.plain, training.data)
    tensors, header = read(run, training.module, step.optimizer)
    step.average.mean, training.best = tensors.get("ema", {}), tensors.get("best", {})
    step.micro = min(step.micro, header.get("micro", step.micro))
    tally = Meters(header["tally"])
    training.tally = tally if training.fabric.is_global_zero else Meters(tally.emptied())
    training.step, training.history, training.finished = (header[name] for name in ("step", "history", "finished"))
    training.kept = header.get("kept", {})
    training.judge.restore(header)
    if training.step > training.steps:
        raise BadInput(f"{run}: has trained for more epochs than {training.options['epochs']:g} already")
    if training.step < training.steps and training.finished == "done":
        training.finished = ""


def tensors_of(
    module: nn.Module, optimizer: torch.optim.Optimizer, extra: Mapping[str, Mapping[str, Tensor]], keep: bool
) -> dict[str, Tensor]:
    """Weights, the moments of the optimiser and what is extra; all ranks must ask, one may `keep` them.

    One tensor after the other becomes whole and leaves the GPU: all at once they may be more than it can hold.
    """
    groups = {"model": module.state_dict(), **extra}
    for index, state in optimizer.state_dict()["state"].items():
        groups[f"optimizer.{index}"] = {name: torch.as_tensor(value) for name, value in state.items()}
    found: dict[str, Tensor] = {}
    for group, tensors in groups.items():
        for name, tensor in tensors.items():
            entire = gather({name: tensor})[name]
            if keep:
                found[f"{group}.{name}"] = entire.cpu()
    return found


def write(run: Path, step: int, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """The checkpoint of `step`; those before the last two go."""
    store.write_tensors(run / store.CHECKPOINTS / f"{step:010d}.safetensors", tensors, header)
    for old in store.checkpoints(run)[:-KEPT]:
        with suppress(OSError):
            old.unlink()


def read(run: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[dict[str, dict[str, Tensor]], Any]:
    """Put the newest checkpoint into module and optimizer; return the extra tensors by group, and the header.

    Where the newest is damaged the one before it is taken. Raises BadInput where none fits.
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
        alike = weights[int(index)] if tensor.dim() else tensor  # Adam's means are parted as the weights are
        state.setdefault(int(index), {})[key] = shard_like({key: tensor}, {key: alike})[key]
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return groups, header


def must_agree(run: Path, module: nn.Module, data: Data) -> None:
    """Raise BadInput naming the first thing in which the run differs from `module` and how it is to be trained.

    More epochs are no difference where nothing follows the share of the training done, neither the rate nor a word of
    the sentence: then the longer training begins like the shorter. Nor is HOW it is run: device, processes, logs.
    """
    config = store.read_config(run)
    old: dict[str, Any] = config["about"]
    new: dict[str, Any] = module.about  # type: ignore[assignment]
    schedule = old["training"]["schedule"]
    bound = [f"{schedule} rate"] if schedule != "constant" else ["warmup"] if old["training"]["warmup"] else []
    bound += [type(part).__name__ for part in module.modules() if getattr(part, "follows_progress", False)]
    if new["training"]["epochs"] != old["training"]["epochs"] and bound:
        data = old["data"].get("path") or old["data"].get("name")
        again = f"isthmus train {old.get('recipe')} {data} --init {run} --epochs {new['training']['epochs']:g}"
        raise BadInput(f"{run}: epochs cannot be changed, because its {bound[0]} ends with them; instead: {again}")
    free = ("epochs", "least_steps", *HOW)  # the least that there may be is in the epochs by now
    agree({"model": config_of(module)}, {"model": with_defaults(config["model"])}, run)
    agree({"training": {key: value for key, value in new["training"].items() if key not in free}}, old, run)
    counted = ("fingerprint", "count")
    agree({"data": {key: value for key, value in new["data"].items() if key not in counted}}, old, run)
    if difference := changed(data, old["data"], store.read_json(run / store.PARTS)):
        raise BadInput(f"{run}: its data have changed since: {difference}; name another --out for a new run")


def agree(new: dict[str, Any], old: dict[str, Any], run: Path) -> None:
    """Raise BadInput naming the first thing in which a run to be resumed differs from what is asked now."""
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            agree(value, before, run)
        elif value != before and not (isinstance(value, (tuple, list)) and list(value) == before):
            raise BadInput(f"{run}: was trained with {key}={before}, not {value}; name another --out for a new run")
