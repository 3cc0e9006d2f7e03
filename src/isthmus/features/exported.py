"""Features of an exported program: its file lies in the run, as bytes, and is run without unpickling anything."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.errors import BadInput, unknown
from isthmus.features.aten_program import AtenProgram
from isthmus.features.base import FrozenFeatures, Layers, as_layers, checked
from isthmus.features.onnx_program import OnnxProgram
from isthmus.registry import register

LIMIT = 1_000_000_000  # bytes of a file: the run holds it, as do its checkpoints


class Program(Protocol):
    shape: tuple[int | None, ...]

    def __call__(self, x: Tensor) -> list[Any]: ...


FORMATS: dict[str, type[AtenProgram] | type[OnnxProgram]] = {"pt2": AtenProgram, "onnx": OnnxProgram}


@register
class ExportedFeatures(FrozenFeatures):
    """A program in a buffer of `size` bytes: model.safetensors holds the file, so a run needs no path.

    The program is built at its first use, after the checksum is verified. An image batch is resized to the size of a
    program that takes one size only, and split into the batches of one that takes one batch size only.
    """

    def __init__(self, format: str, size: int, sha256: str, channels: int = 3) -> None:
        super().__init__(channels)
        if format not in FORMATS:
            raise unknown("format of features", str(format), FORMATS)
        if not isinstance(size, int) or not 0 < size <= LIMIT:
            raise BadInput(f"features of {size} bytes: 1 to {LIMIT} are accepted")
        self.format, self.sha256, self.source = format, sha256, f"the {format} program of this run"
        self.content: Tensor
        self.register_buffer("content", torch.zeros(size, dtype=torch.uint8))
        self._program: Program | None = None
        self.freeze()

    @classmethod
    def from_file(cls, path: Path | str) -> FrozenFeatures:
        """The features of a .pt2 or .onnx file, tried on a black image; BadInput naming the file if they fail."""
        path = Path(path)
        try:
            if (size := path.stat().st_size) > LIMIT:
                raise BadInput(f"{path}: {size / 1e9:.1f} GB; at most {LIMIT / 1e9:.0f} GB is accepted")
            content = path.read_bytes()
        except OSError as error:
            raise BadInput(f"{path}: cannot be read ({(error.strerror or str(error)).lower()})") from error
        if not content:
            raise BadInput(f"{path}: is empty")
        format = path.suffix.lower().removeprefix(".")
        program = FORMATS[format](content, str(path))
        features = cls(format, len(content), hashlib.sha256(content).hexdigest(), _channels(program.shape, str(path)))
        features.content.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        features._program, features.source = program, str(path)
        return checked(features, str(path))

    def forward(self, x: Tensor) -> Layers:
        program = self.program()
        batch, _, *sides = program.shape
        wanted = tuple(fixed or size for fixed, size in zip(sides, x.shape[2:], strict=True))
        if wanted != tuple(x.shape[2:]):
            x = F.interpolate(x, wanted, mode="bilinear", antialias=True)
        try:
            if batch is None:  # first, because len makes the batch size of a trace a constant
                return as_layers(program(x), self.source)
            return as_layers(program(x) if batch == len(x) else _in_batches(program, x, batch), self.source)
        except (BadInput, torch.OutOfMemoryError):
            raise
        except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:  # of any operation
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            shape = "×".join(map(str, x.shape))
            raise BadInput(f"{self.source}: fails on images of shape {shape} ({reason})") from error

    def program(self) -> Program:
        if self._program is None:
            content = self.content.cpu().numpy().tobytes()
            if hashlib.sha256(content).hexdigest() != self.sha256:
                raise BadInput(f"{self.source}: damaged (wrong checksum)")
            self._program = FORMATS[self.format](content, self.source)
            _channels(self._program.shape, self.source)
        return self._program

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *args: Any) -> None:
        before = self.content.clone()
        super()._load_from_state_dict(state, prefix, *args)
        if not torch.equal(self.content, before):  # an EMA loads the same bytes again and again
            self._program = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_program": None}  # a session can be neither copied nor pickled


def _channels(shape: tuple[int | None, ...], name: str) -> int:
    """The channels of a program's input, 3 if it takes any number; BadInput if it does not take images."""
    if len(shape) != 4:
        raise BadInput(f"{name}: takes an input of {len(shape)} dimensions; images N×C×H×W are accepted")
    if shape[1] not in (None, 1, 3):
        raise BadInput(f"{name}: takes images of {shape[1]} channels; 1 or 3 are accepted")
    return shape[1] or 3


def _in_batches(program: Program, x: Tensor, size: int) -> tuple[Any, ...]:
    """A program of batches of `size` on any number of images; the last batch is filled up with its last image."""
    found = []
    for start in range(0, len(x), size):
        part = x[start : start + size]
        filled = torch.cat([part, part[-1:].expand(size - len(part), *part.shape[1:])])
        found.append(as_layers(program(filled), "a program"))
    return tuple(torch.cat(layers)[: len(x)] for layers in zip(*found, strict=True))
