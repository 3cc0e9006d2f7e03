"""Digits as a file, and an environment without ranks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """54 digits 1×8×8 of whole numbers from 0 to 255."""
    pixels = load_digits(return_X_y=True)[0][:54].reshape(-1, 1, 8, 8)
    file = tmp_path_factory.mktemp("data") / "digits.npy"
    np.save(file, (pixels * 255 / 16).round().astype(np.uint8))
    return file


@pytest.fixture(scope="module", autouse=True)
def _quiet_environment() -> Iterator[None]:
    """The warm process inherits one thread and no rank of ours; and none is started here, by starting pytest again."""

    def refuse(*_: Any) -> None:
        raise AssertionError("this would start pytest again as another rank")

    from lightning_fabric.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_SubprocessScriptLauncher, "_call_children_scripts", refuse)
        patch.setenv("OMP_NUM_THREADS", "1")
        for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
            patch.delenv(name, raising=False)
        yield
