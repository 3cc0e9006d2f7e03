"""The shipped models: each is a run folder with weights in half precision, and a model card.

card.json states purpose, training data and their license, steps, seconds, machine and figures.
benchmarks/train_models.py writes weights and card.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from isthmus.errors import unknown

FOLDER = Path(__file__).parent
CARD, CONFIG = "card.json", "config.json"


def names() -> list[str]:
    return sorted(card.parent.name for card in FOLDER.glob(f"*/{CARD}"))


def folder_of(name: str) -> Path:
    """The folder of a shipped model. Raises BadInput with the nearest name for an unknown name."""
    if name not in names():
        raise unknown("shipped model", name, names())
    return FOLDER / name


def folder_for(run: Path | str) -> Path | str:
    """The folder of a run, else of the shipped model of that name; `run` itself if there is neither.

    A folder without a config, such as a folder of images, may have the name of a model: the model is returned.
    """
    shipped = str(run) in names() and not (Path(run) / CONFIG).is_file()
    return folder_of(str(run)) if shipped else run


def is_shipped(run: Path) -> bool:
    """Whether this folder belongs to the package, so that nothing is written into it."""
    return run.resolve().is_relative_to(FOLDER.resolve())


def card_of(name: str) -> dict[str, Any]:
    """The model card of a shipped model."""
    card: dict[str, Any] = json.loads((folder_of(name) / CARD).read_text(encoding="utf-8"))
    return card
