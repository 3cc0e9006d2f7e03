"""Autoencoding as a job: reconstruct, embed, decode."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from isthmus.jobs.base import Job

if TYPE_CHECKING:
    from isthmus.autoencoder import Autoencoder


class Autoencoding(Job):
    """The general uses of an autoencoder: encode, decode, reconstruct."""

    name = "autoencoding"
    title = "Encode"
    verbs: ClassVar[Mapping[str, str]] = {
        "reconstruct": "isthmus.jobs.autoencoding.reconstruct",
        "embed": "isthmus.jobs.autoencoding.reconstruct",
        "decode": "isthmus.jobs.autoencoding.reconstruct",
    }
    commands = "isthmus.jobs.autoencoding.commands"

    def takes(self, verb: str, job: str, recipe: str) -> bool:
        from isthmus.jobs import find_job

        return verb != "reconstruct" or find_job(job).target != "labels"  # other models return items like their input

    def next_steps(self, model: Autoencoder, recipe: str, run: Path, data: str, truth: str | None) -> list[str]:
        rebuilt = "rebuilt.csv" if len(model.shape) == 1 else "rebuilt"
        steps = super().next_steps(model, recipe, run, data, truth)
        return [*steps, f"isthmus reconstruct {run} {data} --first 16 --out {rebuilt}"]
