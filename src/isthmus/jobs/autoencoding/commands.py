"""Commands of a trained autoencoder: reconstruct, embed, decode, generate, interpolate."""

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
    Seed,
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
    from isthmus.jobs.autoencoding import generate, reconstruct

    module = generate if verb in ("generate", "interpolate") else reconstruct
    print_closing(f"Written: {getattr(module, verb)(**own, **(options or {}))}")


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


@app.command()
def generate(
    run: RunPath,
    out: Out,
    n: Annotated[int, typer.Option("-n", "--number", metavar="N", min=1, help="number of items")] = 64,
    seed: Seed = 0,
    force: Force = False,
    device: Device = "auto",
) -> None:
    """Generate new images from random codes."""
    write("generate", **locals())


@app.command()
def interpolate(
    run: RunPath,
    a: Annotated[str, typer.Argument(metavar="A", help="an image, or one item of a data set, as in digits:7")],
    b: Annotated[str, typer.Argument(metavar="B", help="a second image or item")],
    out: Out,
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", min=2, help="number of images, both ends included")
    ] = 10,
    force: Force = False,
    device: Device = "auto",
) -> None:
    """Interpolate between two images through their codes."""
    write("interpolate", **locals())
