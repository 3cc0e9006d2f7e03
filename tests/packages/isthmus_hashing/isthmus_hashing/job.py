"""The job: its commands, its metric, and the command to run next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from isthmus.jobs.base import Job


class Hashing(Job):
    name = "hashing"
    title = "Search"
    verbs: ClassVar[Mapping[str, str]] = {"hashes": "isthmus_hashing.hashes"}
    commands = "isthmus_hashing.commands"

    def evaluate(self, model: Any, source: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
        from isthmus_hashing.hashes import label_precision

        return None if options["degraded"] else label_precision(model, source, options)

    def next_steps(self, model: Any, recipe: str, run: Path, data: str, truth: str | None) -> list[str]:
        return [*super().next_steps(model, recipe, run, data, truth), f"isthmus hashes {run} {data} --out hashes.csv"]
