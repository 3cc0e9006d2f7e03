"""What is put into an ONNX file: the sentence, or a part of it, with tensors in and tensors out."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor, nn

from isthmus import __version__
from isthmus.autoencoder import Autoencoder
from isthmus.corruptions.random_masks import hidden
from isthmus.data import from_unit, to_unit
from isthmus.data.base import by_column, range_of
from isthmus.data.preparation import trained_type
from isthmus.data.tables.schema import Schema
from isthmus.fields import Range
from isthmus.jobs import job_of
from isthmus.types import Context

WORDS = {None: ("encoder", "bottleneck", "decoder"), "encoder": ("encoder", "bottleneck"), "decoder": ("decoder",)}


class Part(nn.Module):
    """What is put into the file: tensors in, tensors out, and neither the price of a code nor its statistics."""

    def __init__(self, model: Autoencoder, part: str | None) -> None:
        super().__init__()
        self.model, self.part = model, part
        self.scorer: Any = job_of(model).part(model) if part is None else None
        self.looks = self.scorer is not None  # then of the size that it knows what is normal in
        self.open = len(model.shape) == 3 and model.spec.any_size and not self.looks
        self.discrete = model.spec.discrete
        masked = model.spec.mask_channels > 0 and not self.looks  # then 1 in the hole goes in as well
        self.given = ["code"] if part == "decoder" else ["input", "mask"] if masked else ["input"]
        self.made = {None: ["reconstruction", "code"], "encoder": ["code"], "decoder": ["reconstruction"]}[part]
        if part is None and model.predicts_mask:
            self.made.append("mask")
        if part == "encoder" and self.discrete:
            self.made.append("indices")
        if self.looks:
            self.made += ["score", "map", "threshold"]
        known = range_of({"range": (0.0, 1.0)} | model.about.get("input", {}))
        self.own: Range | None = (
            known if by_column(known) else None
        )  # then the file takes and gives a table's own units
        self.excess = (0, 0)  # rows and columns that the own grid decodes to over those of the model's own size
        if part == "decoder" and self.open:
            whole = model._decoded(torch.zeros(1, *model.code_shape), None).shape
            self.excess = (whole[-2] - model.shape[-2], whole[-1] - model.shape[-1])

    def forward(self, given: Tensor, mask: Tensor | None = None) -> tuple[Tensor, ...]:
        if self.part == "decoder":
            return (self.picture(given),)
        given = given if self.own is None else to_unit(given, self.own)
        picture, given = (
            given,
            self.model.prepare_input(given) if mask is None else hidden(given, (mask > 0.5).to(given)),
        )
        h, skips = self.model._features(given)
        code = self.model._code(h, Context(x=given))
        if self.part == "encoder":
            return (code.z,) if code.symbols is None else (code.z, code.symbols)
        y = self.in_own(self.model.objective.picture(self.model._decoded(code.z, skips, tuple(given.shape[1:]))))
        own = self.model.shape[0]
        made = (y[:, :own], code.z, y[:, own:]) if self.model.predicts_mask else (y, code.z)
        return made + self.judged(picture) if self.looks else made

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """score [N], map N×H×W (or N×D), and the score over which an item is bad."""
        detector = self.scorer
        parts, seen = detector.raw(self.model, x)
        return detector.combined(parts), seen, torch.tensor(detector.threshold())

    def picture(self, z: Tensor) -> Tensor:
        """The picture of a code, cropped to the model's own size where z has the model's own grid."""
        y = self.model._decoded(z, None, None if self.open else self.model.shape)
        if any(self.excess):  # by arithmetic, for a graph asks no questions
            apart: Any = sum((z.shape[axis] - self.model.code_shape[axis]) ** 2 for axis in (-2, -1))
            is_own = torch.sym_max(0, 1 - apart)
            down, right = (y.shape[axis] - is_own * self.excess[axis] for axis in (-2, -1))
            y = y[..., :down, :right]
        return self.in_own(self.model.objective.picture(y))

    def in_own(self, y: Tensor) -> Tensor:
        """What was made, in the units of the table where it is of one; else in [0, 1]."""
        return y if self.own is None else from_unit(y, self.own)

    def example(self) -> tuple[Tensor, ...]:
        """Two items, of sides that equal nothing else: the exporter takes equal numbers for the same thing."""
        shape = self.model.code_shape if self.given == ["code"] else self.model.shape
        item = torch.zeros(2, shape[0], 2 * shape[1] + 1, 2 * shape[2] + 4) if self.open else torch.zeros(2, *shape)
        return (item, item[:, :1])[: len(self.given)]

    def side(self, name: str) -> tuple[str, str]:
        """How the height and the width of what goes in or comes out are called in the file."""
        if name == "reconstruction" and self.model.scale > 1:
            return "large_height", "large_width"
        return ("height", "width") if name in ("input", "reconstruction", "mask") else ("code_height", "code_width")

    def about(self) -> dict[str, str]:
        """What the file says of itself. range: the numbers, of type dtype, of the training data that became 0 and 1."""
        model = self.model
        told = {
            "isthmus": __version__,
            "recipe": model.about.get("recipe", ""),
            "part": self.part or "whole",
            "shape": json.dumps(model.shape),
            "code": json.dumps(model.code_shape),
            "range": json.dumps(model.about.get("input", {}).get("range", [0.0, 1.0])),
            "dtype": trained_type(model.read_as()) if "range" in model.read_as() else "float32",
        }
        if table := model.about.get("input", {}).get("table"):
            told |= {"columns": json.dumps(Schema.of(table).headings)}  # in the order that the input has them
        if self.looks:
            told |= {"detector": json.dumps(vars(self.scorer.settings))}
        return told
