"""An interpreter for the graph of an exported program: the JSON of torch.export, one operation after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from isthmus.errors import BadInput
from isthmus.features.operations import NUMBERS, find_operation, is_ignored
from isthmus.features.pt2_archive import DTYPES, read_archive

FORMATS = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d, 4: torch.preserve_format}
PLAIN = ("as_int", "as_ints", "as_bool", "as_bools", "as_string", "as_strings", "as_int_lists")
STRIDED = 7


@dataclass(frozen=True)
class Ref:
    """An argument that is the result of an earlier node."""

    name: str


class Device:
    """An argument that is the device of the input, whichever device the program was exported on."""


@dataclass(frozen=True)
class Step:
    function: Callable[..., Any]
    by_name: bool  # operations of aten take all arguments by name, those of numbers none
    inputs: dict[str, Any]
    outputs: list[Any]  # names, or a list of names
    last: tuple[str, ...]  # names that no later step uses


class AtenProgram:
    """The program of a .pt2 file as a function of an image batch; `shape` is that of its input, None where any."""

    def __init__(self, content: bytes, name: str) -> None:
        module, self.tensors = read_archive(content, name)
        try:
            self._read(module, name)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise BadInput(f"{name}: not a program of torch.export.save that can be read ({reason})") from error

    def _read(self, module: dict[str, Any], name: str) -> None:
        graph, signature = module["graph"], module["signature"]
        self.names: dict[str, str] = {}  # of a placeholder -> of its tensor
        images = []
        for argument, spec in zip(graph["inputs"], signature["input_specs"], strict=True):
            kind, what = next(iter(spec.items()))
            if kind == "user_input":
                images.append(argument["as_tensor"]["name"])
            elif kind in ("parameter", "buffer", "tensor_constant"):
                self.names[argument["as_tensor"]["name"]] = what[f"{kind}_name"]
            else:
                raise BadInput(f"{name}: has an input of kind {kind}; tensors are accepted")
        if len(images) != 1:
            raise BadInput(f"{name}: takes {len(images)} inputs; one batch of images is accepted")
        if any(next(iter(spec)) != "user_output" for spec in signature["output_specs"]):
            raise BadInput(f"{name}: changes its own weights; export the module in eval mode (module.eval())")
        self.image = images[0]
        image = graph["tensor_values"][self.image]
        self.shape = tuple(size.get("as_int") for size in image["sizes"])
        self.dtype = DTYPES[image["dtype"]]
        self.outputs = [_argument(output) for output in graph["outputs"]]
        self.steps = list(self._steps(graph["nodes"], name))

    def _steps(self, nodes: list[dict[str, Any]], name: str) -> Iterator[Step]:
        nodes = [node for node in nodes if not is_ignored(node["target"])]
        inputs = [{item["name"]: _argument(item["arg"]) for item in node["inputs"]} for node in nodes]
        outputs = [[_argument(output) for output in node["outputs"]] for node in nodes]
        last = {used: i for i, each in enumerate(inputs) for used in _names(list(each.values()))}
        kept = {*self.names, *_names(self.outputs)}
        for i, (node, arguments, results) in enumerate(zip(nodes, inputs, outputs, strict=True)):
            function = find_operation(node["target"])
            if function is None:
                target = node["target"].removeprefix("torch.ops.")
                raise BadInput(f"{name}: uses {target}, which a .pt2 file may not; export it as .onnx instead")
            if arguments.get("training") is True or arguments.get("train") is True:
                raise BadInput(f"{name}: exported in training mode; export the module in eval mode (module.eval())")
            done = {used for used in _names([list(arguments.values()), results]) if last.get(used, i) == i} - kept
            yield Step(function, node["target"] not in NUMBERS, arguments, results, tuple(done))

    def __call__(self, x: Tensor) -> list[Any]:
        if any(tensor.device != x.device for tensor in self.tensors.values()):
            self.tensors = {key: tensor.to(x.device) for key, tensor in self.tensors.items()}
        values: dict[str, Any] = {key: self.tensors[tensor] for key, tensor in self.names.items()}
        values[self.image] = x.to(self.dtype)
        for step in self.steps:
            arguments = {key: _value(argument, values, x.device) for key, argument in step.inputs.items()}
            result = step.function(**arguments) if step.by_name else step.function(*arguments.values())
            for names, part in zip(step.outputs, [result] if len(step.outputs) == 1 else result or (), strict=True):
                if isinstance(names, list):
                    values.update((ref.name, item) for ref, item in zip(names, part, strict=True))
                elif names is not None:
                    values[names.name] = part
            for name in step.last:
                values.pop(name, None)  # otherwise every activation stays in memory
        return [_value(output, values, x.device) for output in self.outputs]


def _argument(argument: dict[str, Any]) -> Any:
    """An argument of the schema: a Python value, with a Ref for each result of another node."""
    kind, value = next(iter(argument.items()))
    if kind == "as_none":
        return None
    if kind in ("as_tensor", "as_name"):
        return Ref(value["name"] if kind == "as_tensor" else value)
    if kind == "as_tensors":
        return [Ref(item["name"]) for item in value]
    if kind in ("as_sym_int", "as_sym_float", "as_sym_bool", "as_optional_tensor"):
        return _argument(value)
    if kind in ("as_sym_ints", "as_sym_floats", "as_sym_bools", "as_optional_tensors"):
        return [_argument(item) for item in value]
    if kind in PLAIN:
        return value
    if kind == "as_float":
        return float(value)  # infinity is a string in JSON
    if kind == "as_floats":
        return [float(item) for item in value]
    if kind == "as_scalar_type":
        return DTYPES[value]
    if kind == "as_memory_format":
        return FORMATS[value]
    if kind == "as_layout" and value == STRIDED:
        return torch.strided
    if kind == "as_device":
        return Device
    raise ValueError(f"an argument of kind {kind} is not accepted")


def _value(argument: Any, values: dict[str, Any], device: torch.device) -> Any:
    if isinstance(argument, Ref):
        return values[argument.name]
    if isinstance(argument, list):
        return [_value(item, values, device) for item in argument]
    return device if argument is Device else argument


def _names(argument: Any) -> set[str]:
    if isinstance(argument, Ref):
        return {argument.name}
    return set().union(*map(_names, argument)) if isinstance(argument, list) else set()
