"""A faster exporter."""

from __future__ import annotations

import functools
import gc
import importlib
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """Half of the time of a small net is none of its own: the exporter reads the source of its 500 operators anew each
    time, and Python looks again and again for what it may throw away of all that torch has imported.
    """
    with pytest.MonkeyPatch.context() as patch:
        try:
            registry = importlib.import_module("torch.onnx._internal.exporter._registration").ONNXRegistry
            patch.setattr(registry, "from_torchlib", staticmethod(functools.cache(registry.from_torchlib)))
        except (ImportError, AttributeError):
            pass  # another torch: it works as well, but longer
        gc.disable()
        yield
        gc.enable()
