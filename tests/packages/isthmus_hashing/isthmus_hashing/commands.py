"""The command of the job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.app import InputNames, RunPath, app
from isthmus.cli.output import print_closing


@app.command()
def hashes(
    run: RunPath,
    source: InputNames,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="a .csv file: name and bits")],
) -> None:
    """Write the bits of items as text."""
    from isthmus_hashing.hashes import hashes as hashes_of

    print_closing(f"Written: {out} ({len(hashes_of(run, source, out=out))} hashes)")
