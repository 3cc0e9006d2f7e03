"""An ONNX file as a function of an image batch, by onnxruntime on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.errors import BadInput

DOMAIN = "isthmus"


@cache
def exported_layer() -> Any:
    """The operator of a layer K×h×w of an ONNX program in a trace, which onnxruntime cannot be part of; export inserts
    the graph. It is registered with torch when an export first needs it."""

    @torch.library.custom_op(
        f"{DOMAIN}::exported_layer", mutates_args=(), schema="(Tensor x, int layer, int[] shape) -> Tensor"
    )
    def operator(x: Tensor, layer: int, shape: list[int]) -> Tensor:
        raise NotImplementedError("only within torch.export")

    @operator.register_fake
    def _(x: Tensor, layer: int, shape: list[int]) -> Tensor:
        return x.new_empty((x.shape[0], *shape))

    return torch.ops.isthmus.exported_layer.default


class OnnxProgram:
    """The program of a .onnx file; `shape` is that of its input, None where any."""

    def __init__(self, content: bytes, name: str) -> None:
        try:
            import onnx
            import onnxruntime
        except ImportError as error:
            raise BadInput(f"{name}: needs onnx and onnxruntime: pip install 'isthmus[onnx]'") from error
        try:
            model = onnx.load_model_from_string(content)
        except Exception as error:  # of protobuf, which onnx does not wrap
            raise BadInput(f"{name}: truncated, or not an ONNX file") from error
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model)):
            raise BadInput(f"{name}: keeps weights in another file; export with external_data=False")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # failures are raised
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no base class
            reason = str(error).splitlines()[0]
            raise BadInput(f"{name}: onnxruntime cannot load it ({reason})") from error
        inputs = self.session.get_inputs()
        if len(inputs) != 1:
            raise BadInput(f"{name}: takes {len(inputs)} inputs; one batch of images is accepted")
        if inputs[0].type not in ("tensor(float)", "tensor(float16)"):
            raise BadInput(f"{name}: takes a {inputs[0].type}; a batch of images in float32 is accepted")
        self.image = inputs[0].name
        self.dtype = torch.float16 if "16" in inputs[0].type else torch.float32
        self.shape = tuple(size if isinstance(size, int) else None for size in inputs[0].shape)

    def __call__(self, x: Tensor) -> list[Any]:
        if torch.compiler.is_exporting():
            black = np.zeros((1, *map(int, x.shape[1:])), str(self.dtype).removeprefix("torch."))
            shapes = [list(layer.shape[1:]) for layer in self.session.run(None, {self.image: black})]
            return [exported_layer()(x.to(self.dtype), number, shape) for number, shape in enumerate(shapes)]
        try:
            found = self.session.run(None, {self.image: x.detach().to("cpu", self.dtype).numpy()})
        except Exception as error:  # as above; the caller adds the name
            raise RuntimeError(str(error)) from error
        return [torch.from_numpy(each).to(x.device) if hasattr(each, "dtype") else each for each in found]


def _tensors(proto: Any) -> Iterator[Any]:
    """Every tensor of a model, a graph, a function or an attribute, at any depth."""
    if hasattr(proto, "graph") and hasattr(proto, "functions"):  # a model
        for part in (proto.graph, *proto.functions):
            yield from _tensors(part)
        return
    yield from getattr(proto, "initializer", ())
    for sparse in getattr(proto, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for node in proto.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for graph in (attribute.g, *attribute.graphs):
                yield from _tensors(graph)
