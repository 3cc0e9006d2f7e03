"""The shipped weights: a folder a model, a run like any other but in half precision, each with its card.

card.json says what it is for, the data it learned from and what their licence allows, steps, seconds, machine and
figures; benchmarks/train_models.py makes both.
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
    """Where a shipped model lies. Raises BadInput, with the nearest name, for one that is not shipped."""
    if name not in names():
        raise unknown("shipped model", name, names())
    return FOLDER / name


def folder_for(run: Path | str) -> Path | str:
    """Where a run lies: the folder of that name, or else the shipped model of that name; `run` where there is neither.

    A folder that is no run, of pictures for example, may have the name of a model: then the model is meant.
    """
    shipped = str(run) in names() and not (Path(run) / CONFIG).is_file()
    return folder_of(str(run)) if shipped else run


def is_shipped(run: Path) -> bool:
    """Whether this folder belongs to the package, so that nothing is written into it."""
    return run.resolve().is_relative_to(FOLDER.resolve())


def card_of(name: str) -> dict[str, Any]:
    """What is to be known of a shipped model."""
    card: dict[str, Any] = json.loads((folder_of(name) / CARD).read_text(encoding="utf-8"))
    return card
