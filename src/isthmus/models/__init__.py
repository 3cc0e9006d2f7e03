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
CARD = "card.json"


def names() -> list[str]:
    return sorted(card.parent.name for card in FOLDER.glob(f"*/{CARD}"))


def folder_of(name: str) -> Path:
    """Where a shipped model lies. Raises BadInput, with the nearest name, for one that is not shipped."""
    if name not in names():
        raise unknown("shipped model", name, names())
    return FOLDER / name


def card_of(name: str) -> dict[str, Any]:
    """What is to be known of a shipped model."""
    card: dict[str, Any] = json.loads((folder_of(name) / CARD).read_text(encoding="utf-8"))
    return card
