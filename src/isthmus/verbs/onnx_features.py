"""The ONNX program of a run's features within the exported file: exported as placeholders, replaced by its graph."""

from __future__ import annotations

from typing import Any

from torch import nn

from isthmus.errors import BadInput, IsthmusError
from isthmus.features import ExportedFeatures
from isthmus.features.onnx_program import DOMAIN, exported_layer

PLACEHOLDER = "Layer"


def build_programs(model: nn.Module) -> None:
    """Build the programs of features, which a trace cannot do. Raises BadInput for one of a fixed batch size."""
    for one in model.modules():
        if isinstance(one, ExportedFeatures) and (batch := one.program().shape[0]) is not None:
            raise BadInput(f"{one.source}: takes batches of {batch} only; features of any batch size can be exported")


def onnx_features(model: nn.Module) -> ExportedFeatures | None:
    """The features of a model that are an ONNX program; None if it has none."""
    return next((one for one in model.modules() if isinstance(one, ExportedFeatures) and one.format == "onnx"), None)


def opset_of(features: ExportedFeatures) -> int:
    """The version of the operators that the program uses."""
    return max(one.version for one in _program(features).opset_import if one.domain in ("", "ai.onnx"))


def translations() -> dict[Any, Any]:
    """For torch.onnx.export: a layer of the program becomes a placeholder, a node with its number."""
    from onnx.defs import OpSchema
    from onnxscript.values import Op, Opset

    one = [OpSchema.FormalParameter(name, "T") for name in ("x", "layer")]
    number = [OpSchema.Attribute("layer", OpSchema.AttrType.INT)]
    kinds = [("T", ["tensor(float)", "tensor(float16)"], "")]
    schema = OpSchema(
        PLACEHOLDER, DOMAIN, 1, inputs=one[:1], outputs=one[1:], type_constraints=kinds, attributes=number
    )
    placeholder = Op(Opset(DOMAIN, 1), PLACEHOLDER, schema)

    def layer(x: Any, layer: int, shape: Any) -> Any:
        return placeholder(x, layer=layer)

    return {exported_layer(): layer}


def with_program(file: Any, features: ExportedFeatures, opset: int) -> None:
    """Replace the placeholders in an ONNX file by the graph of the program, once for each of its inputs.

    Raises IsthmusError if the program cannot be converted to the operators of the file.
    """
    from onnx import compose, helper, inliner, version_converter

    program = inliner.inline_local_functions(_program(features))
    if opset_of(features) != opset:
        try:
            program = version_converter.convert_version(program, opset)
        except Exception as error:  # of the C++ library, of no common class
            reason = str(error).strip().splitlines()[0]
            raise IsthmusError(
                f"the ONNX program of the features cannot be converted to opset {opset} ({reason})"
            ) from error
    nodes, copies = list(file.graph.node), dict[str, Any]()
    del file.graph.node[:]
    for node in nodes:
        if (node.domain, node.op_type) != (DOMAIN, PLACEHOLDER):
            file.graph.node.append(node)
            continue
        if (image := node.input[0]) not in copies:
            copies[image] = graph = compose.add_prefix(program, f"features{len(copies)}.").graph
            constants = {one.name for one in graph.initializer}
            name = next(one.name for one in graph.input if one.name not in constants)
            file.graph.node.append(helper.make_node("Identity", [image], [name]))
            file.graph.node.extend(graph.node)
            file.graph.initializer.extend(graph.initializer)
            file.graph.sparse_initializer.extend(graph.sparse_initializer)
        output = copies[image].output[helper.get_node_attr_value(node, "layer")].name
        file.graph.node.append(helper.make_node("Identity", [output], node.output))
    versions = {one.domain: one.version for one in (*program.opset_import, *file.opset_import) if one.domain != DOMAIN}
    del file.opset_import[:]
    file.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in versions.items())
    file.ir_version = max(file.ir_version, program.ir_version)


def _program(features: ExportedFeatures) -> Any:
    import onnx

    return onnx.load_model_from_string(features.content.cpu().numpy().tobytes())
