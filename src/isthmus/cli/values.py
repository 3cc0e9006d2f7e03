"""--set key=value: parse the text of a value as a Python literal would be."""

from __future__ import annotations

from typing import Any

from isthmus.errors import BadInput

WORDS = {"true": True, "false": False, "yes": True, "no": False}


def settings(pairs: list[str], flags: dict[str, Any]) -> dict[str, Any]:
    """Merge ["k=25", "kind=topk"] with the values of flags; BadInput for a pair without '=' or a key given twice."""
    result = dict(flags)
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise BadInput(f"--set {pair}: key=value is accepted, as in --set epochs=20")
        if key in result:
            raise BadInput(f"--set {key}: given twice")
        result[key] = value(text.strip())
    return result


def value(text: str) -> Any:
    """An integer, a float, a bool (true, false, yes, no), else the text itself; 'none' is left to its reader."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return WORDS.get(text.lower(), text)
