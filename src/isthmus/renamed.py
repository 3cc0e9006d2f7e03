"""Deprecated public names: each works for one more version, with a DeprecationWarning that names the present one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def former(module: str, present: str, names: Mapping[str, str] | None = None) -> Callable[[str], Any]:
    """The __getattr__ of `module` whose names moved to `present`: all names, or only `names` (old name: new name)."""

    def get_renamed(name: str) -> Any:
        if name.startswith("__") or (names is not None and name not in names):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        now = name if names is None else names[name]
        value = getattr(import_module(present), now)
        warnings.warn(f"{module}.{name} is now {present}.{now}", DeprecationWarning, stacklevel=2)
        return value

    return get_renamed
