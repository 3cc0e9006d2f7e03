"""Exceptions and warnings, each one line: the thing, what is wrong with it, what is accepted."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable


class IsthmusError(Exception):
    """Base of every error that is not an internal one; the command line prints it and exits with 2."""


class BadInput(IsthmusError, ValueError):
    """A file, array, option or run folder that cannot be used."""


class Note(UserWarning):
    """A warning for the user; the command line prints it in one line."""


class Reading(Note):
    """A note on how input was understood; the command line does not print it with --json."""


class Diverged(IsthmusError, ArithmeticError):
    """The loss of a training became NaN or infinite; the last finite weights are kept."""


def at_least(name: str, value: float, least: float) -> None:
    """Raise BadInput if `value` is not finite, or below `least`."""
    if not least <= value < math.inf:
        raise BadInput(f"{name} is {value}: {least} or more is accepted")


def unknown(kind: str, name: str, known: Iterable[str]) -> BadInput:
    """The error for an unknown name, with the nearest known name or all of them."""
    choices = sorted(known)
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(choices) or 'none'}"
    return BadInput(f"unknown {kind} {name!r}: {hint}")
