"""Commands of a trained autoencoder: reconstruct, embed, decode, generate, interpolate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.app import Device, Devices, First, Force, InputNames, Nodes, Out, RunPath, Seed, Split, app
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


@app.command()
def reconstruct(
    run: RunPath,
    source: InputNames,
    out: Out,
    split: Split = None,
    first: First = None,
    force: Force = False,
    device: Device = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
) -> None:
    """Reconstruct images, or other items, with a run."""
    from isthmus.jobs.autoencoding.reconstruct import reconstruct as write_reconstructions

    processes = {"device": device, "devices": devices, "nodes": nodes}
    print_closing(
        f"Written: {write_reconstructions(run, source, out=out, split=split, first=first, force=force, **processes)}"
    )


@app.command()
def embed(
    run: RunPath,
    source: InputNames,
    out: CodesOut,
    split: Split = None,
    first: First = None,
    force: Force = False,
    device: Device = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
) -> None:
    """Encode images, or other items, into codes."""
    from isthmus.jobs.autoencoding.reconstruct import embed as write_embedding

    processes = {"device": device, "devices": devices, "nodes": nodes}
    print_closing(
        f"Written: {write_embedding(run, source, out=out, split=split, first=first, force=force, **processes)}"
    )


@app.command()
def decode(
    run: RunPath,
    codes: Annotated[Path, typer.Argument(metavar="CODES", help="codes written by embed, or .npy")],
    out: Out,
    force: Force = False,
    device: Device = "auto",
) -> None:
    """Decode codes that embed has written into images."""
    from isthmus.jobs.autoencoding.reconstruct import decode as write_decoded

    print_closing(f"Written: {write_decoded(run, codes, out=out, force=force, device=device)}")


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
    from isthmus.jobs.autoencoding.generate import generate as write_samples

    print_closing(f"Written: {write_samples(run, n, out=out, seed=seed, force=force, device=device)}")


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
    from isthmus.jobs.autoencoding.generate import interpolate as write_interpolation

    print_closing(f"Written: {write_interpolation(run, a, b, steps=steps, out=out, force=force, device=device)}")
