"""Sets that are too large for memory."""

from __future__ import annotations

import pytest

from isthmus.data import base


@pytest.fixture
def lazily(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is small enough to be held."""
    monkeypatch.setattr(base, "MEMORY_BUDGET", 0)
