"""Reading an archive of torch.export.save without torch.export.load, which executes what the file contains.

torch.export.load unpickles sample inputs, tensor subclasses and custom objects, evaluates the symbolic sizes as Python
(sympy.sympify), and calls whatever attribute of torch a node names. Here only JSON and raw bytes of tensors are read:
the sample inputs, sizes and guards are ignored, and `aten_program` runs the graph.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import torch
from torch import Tensor

from isthmus.errors import BadInput

DTYPES = {  # ScalarType of the schema
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64,
    6: torch.float16, 7: torch.float32, 8: torch.float64, 12: torch.bool, 13: torch.bfloat16,
}  # fmt: skip
LIMIT = 2_000_000_000  # bytes unpacked
NEWER = "save it with torch 2.9 or newer, or export it as .onnx"


def read_archive(content: bytes, name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The graph module of the program, and its parameters, buffers and constants by name.

    Raises BadInput for anything else, and for an archive whose program would have to be unpickled or is compiled code.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LIMIT:
                raise BadInput(f"{name}: holds more than {LIMIT / 1e9:.0f} GB")
            files = {entry.partition("/")[2] or entry: entry for entry in archive.namelist()}
            _refuse(files, name)
            program = json.loads(archive.read(files["models/model.json"]))
            tensors: dict[str, Tensor] = {}
            for kind in ("weights", "constants"):
                config = json.loads(archive.read(files[f"data/{kind}/model_{kind}_config.json"]))["config"]
                for key, payload in config.items():
                    if payload["use_pickle"]:
                        raise BadInput(f"{name}: {key} is pickled; plain tensors are accepted")
                    tensors[key] = _tensor(archive.read(files[f"data/{kind}/{payload['path_name']}"]), payload)
            return program["graph_module"], tensors
    except BadInput:
        raise
    except zipfile.BadZipFile as error:
        raise BadInput(f"{name}: truncated, or not a file of torch.export.save") from error
    # The errors of a damaged or crafted archive; an error of the interpreter itself is not among them.
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RuntimeError,
        EOFError,
        OSError,
        RecursionError,
    ) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise BadInput(f"{name}: not a program of torch.export.save that can be read ({reason})") from error


def _refuse(files: dict[str, str], name: str) -> None:
    if any(file.startswith("data/aotinductor/") for file in files):
        raise BadInput(f"{name}: contains compiled code; a program of torch.export.save is accepted")
    if "serialized_exported_program.json" in files or "data/weights/model.pt" in files:
        raise BadInput(f"{name}: has pickled weights, as torch 2.8 and older save them: {NEWER}")
    if "models/model.json" not in files:
        raise BadInput(f"{name}: not a file of torch.export.save")


def _tensor(content: bytes, payload: dict[str, Any]) -> Tensor:
    meta = payload["tensor_meta"]
    dtype = DTYPES[meta["dtype"]]
    sizes, strides = ([size["as_int"] for size in meta[key]] for key in ("sizes", "strides"))
    if not content:
        return torch.zeros(sizes, dtype=dtype)
    flat = torch.frombuffer(bytearray(content), dtype=dtype)
    return flat.as_strided(sizes, strides, meta["storage_offset"]["as_int"]).clone()
