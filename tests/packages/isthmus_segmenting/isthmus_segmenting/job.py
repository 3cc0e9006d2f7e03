"""The job: label maps as the target of a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from isthmus.jobs.base import Job


class Segmenting(Job):
    name = "segmenting"
    title = "Classify"
    verbs: ClassVar[Mapping[str, str]] = {"classify": "isthmus_segmenting.classify"}
    commands = "isthmus_segmenting.commands"
    target = "labels"

    def evaluate(self, model: Any, source: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
        from isthmus_segmenting.classify import accuracy

        return accuracy(model, source, options)

    def next_steps(self, model: Any, recipe: str, run: Path, data: str, truth: str | None) -> list[str]:
        return [f"isthmus classify {run} {data} --out labels.npy"]
