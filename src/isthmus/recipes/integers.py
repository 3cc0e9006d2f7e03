"""Parsing of lists of whole numbers: widths, channels, levels."""

from __future__ import annotations

from typing import Any

from isthmus.errors import BadInput


def numbers(value: Any, least: int = 1) -> tuple[int, ...]:
    """(500, 250), 500 or "500,250" (as --set gives it) -> a tuple of whole numbers of `least` or more."""
    try:
        parts = value.split(",") if isinstance(value, str) else [value] if isinstance(value, int) else value
        values = tuple(int(part) for part in parts if part != "")
    except (TypeError, ValueError):
        raise BadInput(f"{value!r}: whole numbers such as 500,250 are accepted") from None
    if any(number < least for number in values):
        raise BadInput(f"{value!r}: every number is {least} or more")
    return values
