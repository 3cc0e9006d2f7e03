"""The command that exports a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.app import Force, RunPath, app
from isthmus.cli.output import done


@app.command()
def export(
    run: RunPath,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="the file to write, .onnx")],
    part: Annotated[
        str | None, typer.Option("--part", metavar="NAME", help="encoder or decoder; default: both")
    ] = None,
    force: Force = False,
) -> None:
    """A run as ONNX, for other languages and machines."""
    from isthmus.verbs.export import export as write

    done(f"Written: {write(run, out, part=part, force=force)}")
