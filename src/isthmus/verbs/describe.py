"""describe: the network as a diagram, with shapes, weights and cost."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from isthmus.inference.inputs import RunOrModel, as_model
from isthmus.jobs import built_in

STEPS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def describe(run: RunOrModel) -> dict[str, Any]:
    """{"recipe", "shape", "code", "weights", "operations", "layers": [{"part", "layer", "output", "weights"}]}.

    operations: floating-point operations to reconstruct one item. Layers are listed in execution order. A model of
    features has also "features": the class of the frozen network, and the shape of its grid. parts: a line for each
    part that was fitted after the training. Raises BadInput for a path that is not a run.
    """
    model = as_model(run)
    layers: list[dict[str, Any]] = []
    handles = []
    for part in ("encoder", "bottleneck", "decoder"):
        for module in getattr(model, part).modules():
            if isinstance(module, STEPS):
                handles.append(module.register_forward_hook(_noting(layers, part)))
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.reconstruct(torch.zeros(1, *model.shape), unit=True)
    finally:
        for handle in handles:
            handle.remove()
    grid = model.features
    frozen = {"features": {"network": type(grid.features).__name__, "output": list(grid.out_shape)}} if grid else {}
    return {
        "recipe": model.about.get("recipe"),
        "shape": list(model.shape),
        **frozen,
        "code": list(model.code_shape),
        "corruption": type(model.corruption).__name__ if model.corruption else None,
        "bottleneck": type(model.bottleneck).__name__,
        "objective": type(model.objective).__name__,
        "weights": sum(p.numel() for p in model.parameters()),
        "operations": counter.get_total_flops(),
        "layers": layers,
        "parts": [line for job in built_in().values() if (part := job.part(model)) and (line := part.summary())],
    }


def _noting(layers: list[dict[str, Any]], part: str) -> Any:
    def note(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        layers.append(
            {
                "part": part,
                "layer": type(module).__name__,
                "input": list(inputs[0].shape[1:]),
                "output": list(output.shape[1:]),
                "weights": sum(p.numel() for p in module.parameters(recurse=False)),
            }
        )

    return note


def diagram(facts: dict[str, Any]) -> str:
    """One line of text per layer, with a bar for the size of its output (log scale)."""
    lines = [f"{'input':<12}{_size(facts['shape']):<14}{_bar(facts['shape'])}"]
    if "features" in facts:
        output = facts["features"]["output"]
        lines.append(f"{'features':<12}{_size(output):<14}{_bar(output):<22}{facts['features']['network']}, frozen")
    if facts["corruption"]:
        lines.append(f"{'corrupt':<12}{facts['corruption']}")
    for layer in facts["layers"]:
        text = f"{layer['part']:<12}{_size(layer['output']):<14}{_bar(layer['output']):<22}"
        lines.append(f"{text}{layer['layer']}, {layer['weights']:,} weights")
    lines.append(f"{'compare':<12}{facts['objective']}")
    lines += facts["parts"]
    return "\n".join(line.rstrip() for line in lines)


def _size(shape: list[int]) -> str:
    return "×".join(map(str, shape))


def _bar(shape: list[int]) -> str:
    count = 1
    for side in shape:
        count *= side
    return "█" * min(20, max(1, round(1.5 * count.bit_length()) - 1))
