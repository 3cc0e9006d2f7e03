"""Helpers of the tests of the cache of decoded images."""

from __future__ import annotations

from pathlib import Path

import torch

from isthmus.data import cache, open_data
from isthmus.errors import Note

COUNT = 30


def pixels(data) -> torch.Tensor:
    return torch.cat([data.batch([i]) for i in range(len(data))])


def uncached(folder: Path, monkeypatch, **options) -> torch.Tensor:
    with monkeypatch.context() as patch:
        patch.setattr(cache, "MIN_BYTES", 2**60)
        return pixels(open_data(folder, **options))


def one_note(caught) -> str:
    notes = [str(each.message) for each in caught if issubclass(each.category, Note)]
    assert len(notes) == 1, notes
    assert "\n" not in notes[0]
    return notes[0]
