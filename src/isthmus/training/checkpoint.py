"""A training on disk: one safetensors file, written beside and renamed; the last two are kept."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isthmus import store
from isthmus.autoencoder import load_weights
from isthmus.errors import BadInput

KEPT = 2


def write(run: Path, step: int, module: nn.Module, optimizer: torch.optim.Optimizer,
          extra: Mapping[str, Mapping[str, Tensor]], header: Mapping[str, Any]) -> None:
    """All that a training needs to go on from `step` as if it had never stopped."""
    tensors = {f"model.{name}": tensor for name, tensor in module.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    for group, items in extra.items():
        tensors |= {f"{group}.{name}": tensor for name, tensor in items.items()}
    store.write_tensors(run / store.CHECKPOINTS / f"{step:010d}.safetensors", tensors, header)
    for old in store.checkpoints(run)[:-KEPT]:
        with suppress(OSError):
            old.unlink()


def read(run: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[dict[str, dict[str, Tensor]], Any]:
    """Put the newest checkpoint into module and optimizer; return the extra tensors by group, and the header.

    Where the newest is damaged the one before it is taken. Raises BadInput where none fits.
    """
    last: BadInput | None = None
    for path in reversed(store.checkpoints(run)):
        try:
            tensors, header = store.read_tensors(path)
        except BadInput as error:
            last = error
            continue
        groups: dict[str, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            group, _, rest = name.partition(".")
            groups.setdefault(group, {})[rest] = tensor
        load_weights(module, groups.pop("model", {}), path)
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in groups.pop("optimizer", {}).items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return groups, header
    raise last or BadInput(f"{run}: there is no checkpoint to go on from")
