"""Commands of a trained autoencoder: reconstruct, embed, decode."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.app import (
    Device,
    Devices,
    First,
    Force,
    InputNames,
    Nodes,
    Out,
    RunPath,
    Split,
    app,
    with_options,
)
from isthmus.cli.output import print_closing

CodesOut = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        help="output file: .npz (with names and labels), .csv, .tsv, or .npy (codes only)",
    ),
]
shared = with_options(
    split=(Split, None),
    first=(First, None),
    force=(Force, False),
    device=(Device, "auto"),
    devices=(Devices, 1),
    nodes=(Nodes, 1),
)


def write(verb: str, *, options: dict[str, Any] | None = None, **own: Any) -> None:
    """Call the function `verb` with the options of the command, and print the path of its output."""
    from isthmus.jobs.autoencoding import reconstruct

    print_closing(f"Written: {getattr(reconstruct, verb)(**own, **(options or {}))}")


@app.command()
@shared
def reconstruct(run: RunPath, source: InputNames, out: Out, **options: Any) -> None:
    """Reconstruct images, or other items, with a run."""
    write("reconstruct", **locals())


@app.command()
@shared
def embed(run: RunPath, source: InputNames, out: CodesOut, **options: Any) -> None:
    """Encode images, or other items, into codes."""
    write("embed", **locals())


@app.command()
def decode(
    run: RunPath,
    codes: Annotated[Path, typer.Argument(metavar="CODES", help="codes written by embed, or .npy")],
    out: Out,
    force: Force = False,
    device: Device = "auto",
) -> None:
    """Decode codes that embed has written into images."""
    write("decode", **locals())
