"""The module that is exported to ONNX: a model or a part of it, from tensors to tensors."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor, nn

from isthmus import __version__
from isthmus.autoencoder import Autoencoder
from isthmus.corruptions.random_masks import hidden
from isthmus.data import from_unit, to_unit
from isthmus.data.tables.schema import Schema
from isthmus.fields import Range, by_column, range_of, trained_type
from isthmus.jobs import job_of
from isthmus.types import Context

PARTS = {None: ("encoder", "bottleneck", "decoder"), "encoder": ("encoder", "bottleneck"), "decoder": ("decoder",)}


class Part(nn.Module):
    """A model or its encoder or decoder, from tensors to tensors, without penalty and statistics of the code."""

    def __init__(self, model: Autoencoder, part: str | None) -> None:
        super().__init__()
        self.model, self.part = model, part
        self.scorer: Any = job_of(model).scorer(model) if part is None else None
        self.detects = self.scorer is not None  # then of fixed size, as the statistics of normal images
        self.threshold = 0.0 if self.scorer is None else self.scorer.threshold()  # before a trace, which has no numbers
        self.any_size = len(model.shape) == 3 and model.spec.any_size and not self.detects
        self.discrete = model.spec.discrete
        masked = model.spec.mask_channels > 0 and not self.detects
        self.inputs = ["code"] if part == "decoder" else ["input", "mask"] if masked else ["input"]
        self.main = "reconstruction" if model.spec.outputs is None else "probabilities"
        self.outputs = {None: [self.main, "code"], "encoder": ["code"], "decoder": [self.main]}[part]
        if part is None and model.predicts_mask:
            self.outputs.append("mask")
        if part == "encoder" and self.discrete:
            self.outputs.append("indices")
        if self.detects:
            self.outputs += ["score", "map", "threshold"]
        known = range_of({"range": (0.0, 1.0)} | model.about.get("input", {}))
        self.table_range: Range | None = known if by_column(known) else None  # the file then uses the table's units
        self.excess = (0, 0)  # rows and columns to crop from a decoded code of the training's grid
        if part == "decoder" and self.any_size:
            padded = model._decoded(torch.zeros(1, *model.code_shape), None).shape
            self.excess = (padded[-2] - model.shape[-2], padded[-1] - model.shape[-1])

    def forward(self, given: Tensor, mask: Tensor | None = None) -> tuple[Tensor, ...]:
        if self.part == "decoder":
            return (self.picture(given),)
        given = given if self.table_range is None else to_unit(given, self.table_range)
        picture, given = (
            given,
            self.model.prepare_input(given) if mask is None else hidden(given, (mask > 0.5).to(given)),
        )
        h, skips = self.model._features(given)
        code = self.model._code(h, Context(x=given))
        if self.part == "encoder":
            return (code.z,) if code.symbols is None else (code.z, code.symbols)
        y = self.model._decoded(code.z, skips, tuple(given.shape[1:]))
        y = self.to_table_units(self.model.objective.picture(y))
        own = self.model.shape[0]
        made = (y[:, :own], code.z, y[:, own:]) if self.model.predicts_mask else (y, code.z)
        return made + self.detect(picture) if self.detects else made

    def detect(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """score [N], map N×H×W (or N×D), and the threshold."""
        parts, anomaly_map = self.scorer.raw(self.model, x)
        return self.scorer.combined(parts), anomaly_map, torch.tensor(self.threshold)

    def picture(self, z: Tensor) -> Tensor:
        """The image of a code, cropped to the training's size if z has the training's grid."""
        y = self.model._decoded(z, None, None if self.any_size else self.model.shape)
        if any(self.excess):  # by arithmetic, because an exported graph has no branches
            apart: Any = sum((z.shape[axis] - self.model.code_shape[axis]) ** 2 for axis in (-2, -1))
            is_own = torch.sym_max(0, 1 - apart)
            down, right = (y.shape[axis] - is_own * self.excess[axis] for axis in (-2, -1))
            y = y[..., :down, :right]
        return self.to_table_units(self.model.objective.picture(y))

    def to_table_units(self, y: Tensor) -> Tensor:
        """y in the units of the table; unchanged for data with one range."""
        return y if self.table_range is None else from_unit(y, self.table_range)

    def example(self) -> tuple[Tensor, ...]:
        """Two items of unique sizes, because the exporter identifies equal sizes."""
        shape = self.model.code_shape if self.inputs == ["code"] else self.model.shape
        item = torch.zeros(2, shape[0], 2 * shape[1] + 1, 2 * shape[2] + 4) if self.any_size else torch.zeros(2, *shape)
        return (item, item[:, :1])[: len(self.inputs)]

    def size_names(self, name: str) -> tuple[str, str]:
        """The names of height and width of an input or output in the file."""
        if name == "reconstruction" and self.model.scale > 1:
            return "large_height", "large_width"
        return (
            ("height", "width")
            if name in ("input", "reconstruction", "probabilities", "mask")
            else ("code_height", "code_width")
        )

    def properties(self) -> dict[str, str]:
        """Metadata of the file. range: the values, of type dtype, of the training data that became 0 and 1."""
        model = self.model
        properties = {
            "isthmus": __version__,
            "recipe": model.about.get("recipe", ""),
            "part": self.part or "whole",
            "shape": json.dumps(model.shape),
            "code": json.dumps(model.code_shape),
            "range": json.dumps(model.about.get("input", {}).get("range", [0.0, 1.0])),
            "dtype": trained_type(model.read_as()) if "range" in model.read_as() else "float32",
        }
        if table := model.about.get("input", {}).get("table"):
            properties |= {"columns": json.dumps(Schema.of(table).headings)}  # in the order of the input
        properties |= job_of(model).properties(model)
        if self.detects:
            properties |= {"detector": json.dumps(vars(self.scorer.settings))}
        return properties
