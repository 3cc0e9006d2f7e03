"""A run stores every argument of its modules, defaults included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import isthmus
from isthmus import models, store
from isthmus.registry import build, config_of, register, with_defaults

pytestmark = pytest.mark.usefixtures("one_thread")


def part(default: int) -> Any:
    class PartOfATest(nn.Module):
        def __init__(self, inner: Any = None, width: int = default) -> None:
            super().__init__()
            self.inner, self.width = inner, width

    return register(PartOfATest)


def test_a_changed_default_does_not_change_an_old_run() -> None:
    made = part(3)
    kept = json.loads(json.dumps(config_of(made(made(width=4)))))
    assert kept == {
        "name": "PartOfATest",
        "inner": {"name": "PartOfATest", "inner": None, "width": 4},
        "width": 3,
    }
    part(5)
    again = build(kept)
    assert (again.width, again.inner.width) == (3, 4)
    old = {"name": "PartOfATest", "inner": {"name": "PartOfATest"}}  # of a run from before
    assert build(old).width == 5
    assert with_defaults(old) == kept | {"inner": kept["inner"] | {"width": 5}, "width": 5}


@pytest.mark.parametrize("name", models.names())
def test_shipped_configs_hold_every_argument(name: str) -> None:
    config = store.read_json(models.folder_of(name) / store.CONFIG)["model"]
    assert config == with_defaults(config), "run benchmarks/complete_configs.py"


def test_a_run_without_its_defaults_loads_and_resumes(tmp_path: Path) -> None:
    x, options = np.random.default_rng(0).random((20, 8, 8)), {"device": "cpu", "quiet": True}
    path = tmp_path / "run" / store.CONFIG
    isthmus.train("undercomplete", x, out=path.parent, code=5, epochs=1, **options)
    config = store.read_json(path)
    for module in (config["model"], *(config["model"][word] for word in ("encoder", "bottleneck", "decoder"))):
        for key in [*module]:  # as they were before
            less = {other: value for other, value in module.items() if other != key}
            if key != "name" and with_defaults(less) == module:
                del module[key]
    store.write_json(path, config)
    assert config["model"] != with_defaults(config["model"])
    assert isthmus.load(path.parent).code_shape == (5,)
    again = isthmus.train("undercomplete", x, out=path.parent, epochs=2, resume=True, **options)
    assert len(again.history) == 2
