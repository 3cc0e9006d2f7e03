"""Reading and writing run folders: config.json, *.safetensors and a card. Nothing in a run folder is executed."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from isthmus.errors import BadInput
from isthmus.files import atomic, cannot_write
from isthmus.registry import config_of
from isthmus.spec import Hooks

FORMAT = 1
CONFIG, WEIGHTS, METRICS, PARTS = "config.json", "model.safetensors", "metrics.json", "parts.json"
CARD, PAGE, HISTORY, CHECKPOINTS = "card.md", "index.html", "history.csv", "checkpoints"
RESULTS = (WEIGHTS, METRICS, CARD, PAGE, HISTORY)  # files of a finished training


def finite(value: Any) -> Any:
    """The same JSON with every number that is not finite as null, as `--json` documents."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, value: Any) -> None:
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(finite(value), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The JSON in `path`; BadInput where it is missing, unreadable or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path.parent}: {path.name} is missing; not a run folder, or an incomplete one") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: cannot be read ({error})") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Any = None) -> None:
    """Write a safetensors file atomically, with `header` as JSON in its metadata."""
    on_cpu = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with atomic(path) as temporary:
        try:
            save_file(on_cpu, temporary, metadata={"isthmus": json.dumps(header)})
            descriptor = os.open(temporary, os.O_RDONLY)
            os.fsync(descriptor)  # otherwise a power cut may leave the new name on empty blocks
            os.close(descriptor)
            temporary.chmod(0o644)  # like every other file: safetensors makes its files private
        except SafetensorError as error:
            raise cannot_write(path, OSError(0, str(error))) from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], Any]:
    """The tensors of a safetensors file and its JSON header; BadInput where it is missing or damaged."""
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get("isthmus", "null"))
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118
    except FileNotFoundError:
        raise BadInput(f"{path.parent}: {path.name} is missing") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise BadInput(f"{path}: truncated or damaged safetensors file ({error})") from error


def checkpoints(run: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted((run / CHECKPOINTS).glob("[0-9]*.safetensors"))


def newest(kept: list[Path]) -> tuple[dict[str, Tensor], Any]:
    """Tensors and header of the newest file that can be read; BadInput if none can."""
    for path in reversed(kept[1:]):
        try:
            return read_tensors(path)
        except BadInput:
            continue
    return read_tensors(kept[0])


def read_config(run: Path | str) -> dict[str, Any]:
    """The config of a run folder; BadInput if it is missing or of a newer format."""
    run = Path(run)
    if not run.is_dir():
        raise BadInput(f"{run}: no such run folder, and no shipped model of this name")
    config = read_json(run / CONFIG)
    if not isinstance(config, dict) or "model" not in config:
        raise BadInput(f"{run / CONFIG}: describes no model")
    if config.get("format", 0) > FORMAT:
        raise BadInput(f"{run}: written in format {config['format']} by a newer isthmus; this one reads up to {FORMAT}")
    return config


def read_weights(run: Path | str) -> dict[str, Tensor]:
    """The final weights of a run; while it is training, the weights its newest checkpoint would keep."""
    run = Path(run)
    kept = checkpoints(run)
    if not (run / WEIGHTS).exists() and kept:
        tensors, _ = newest(kept)
        group = next(g for g in ("best.", "ema.", "model.") if any(name.startswith(g) for name in tensors))
        return {name.removeprefix(group): t for name, t in tensors.items() if name.startswith(group)}
    return read_tensors(run / WEIGHTS)[0]


def remove_without_config(path: Path) -> None:
    """Remove the folder of a training that was killed before it wrote its config: nothing can load it."""
    own = {CHECKPOINTS, PARTS}
    if path.is_dir() and not is_run(path) and all(p.name in own or p.name.startswith(".") for p in path.iterdir()):
        shutil.rmtree(path)


def remove_temporary_files(path: Path) -> None:
    """Remove the temporary files of a process that was killed while it wrote."""
    for stray in [*path.rglob(".*.tmp"), *path.rglob(".tmp*")]:  # of `atomic`, and of safetensors
        with suppress(OSError):
            stray.unlink()


def is_run(path: Path | str) -> bool:
    return (Path(path) / CONFIG).is_file()


def write_config(path: Path, model: nn.Module) -> None:
    """The part of a run that is known before training: the model, its data and options."""
    config = {"format": FORMAT, "model": config_of(model), "about": Hooks.of(model).about}
    write_json(path / CONFIG, config)


def load_weights(model: nn.Module, weights: dict[str, Tensor], place: Path | str) -> None:
    """Put `weights` into `model`; BadInput naming the first that is missing, unknown or of another shape."""
    expected = model.state_dict()
    for name, tensor in expected.items():
        if name not in weights:
            raise BadInput(f"{place}: the weights lack {name}")
        if weights[name].shape != tensor.shape:
            shapes = f"{tuple(weights[name].shape)}, but the config asks for {tuple(tensor.shape)}"
            raise BadInput(f"{place}: the weights' {name} is {shapes}")
    for name in weights:
        if name not in expected:
            raise BadInput(f"{place}: the weights hold {name}, which the config does not know")
    model.load_state_dict(weights)
