"""What can be wrong with what a person hands us, said in one line: the thing, the fault, what is accepted."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class IsthmusError(Exception):
    """Base of every error that is not a fault of ours; the command line prints it and exits with 2."""


class BadInput(IsthmusError, ValueError):
    """A file, array, option or run folder that cannot be used."""


class Note(UserWarning):
    """Something to know that is no error; the command line prints it in one line."""


class Diverged(IsthmusError, ArithmeticError):
    """A training whose loss became NaN or infinite; the last good weights are kept."""


def at_least(name: str, value: float, least: float) -> None:
    """Raise BadInput for a number that is too small to make sense."""
    if value < least:
        raise BadInput(f"{name} is {value}: {least} or more is accepted")


def unknown(what: str, name: str, known: Iterable[str]) -> BadInput:
    """The error for a name that is not in a catalogue, with the nearest one that is."""
    choices = sorted(known)
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(choices) or 'none'}"
    return BadInput(f"unknown {what} {name!r}: {hint}")
