"""The command of the job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.app import InputNames, RunPath, app
from isthmus.cli.output import print_closing


@app.command()
def classify(
    run: RunPath,
    source: InputNames,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="a .npy file N×H×W of labels")],
) -> None:
    """Label each pixel of images."""
    from isthmus_segmenting.classify import classify as labels_of

    print_closing(f"Written: {out} ({len(labels_of(run, source, out=out))} label maps)")
