"""The command, called in this process: isthmus("train", ...) -> (exit code, stdout, stderr)."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.cli import main


@pytest.fixture
def isthmus(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return int(exit.value.code or 0), out, err

    return run
