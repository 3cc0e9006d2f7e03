"""Commands that apply a trained autoencoder: its reconstructions, its codes, new items."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.app import Device, Devices, First, Force, InputNames, Nodes, Out, RunPath, Seed, Split, app
from isthmus.cli.output import done

CodesOut = Annotated[
    Path, typer.Option("--out", "-o", metavar="FILE", help=".npz: with names and labels; .csv, .tsv; .npy: codes alone")
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
    """Pictures as a run reconstructs them."""
    from isthmus.jobs.autoencoding.reconstruct import reconstruct as rebuild

    how = {"device": device, "devices": devices, "nodes": nodes}
    done(f"Written: {rebuild(run, source, out=out, split=split, first=first, force=force, **how)}")


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
    """The codes of pictures, as .npz, .npy, .csv or .tsv."""
    from isthmus.jobs.autoencoding.reconstruct import embed as encode

    how = {"device": device, "devices": devices, "nodes": nodes}
    done(f"Written: {encode(run, source, out=out, split=split, first=first, force=force, **how)}")


@app.command()
def decode(
    run: RunPath,
    codes: Annotated[Path, typer.Argument(metavar="CODES", help="codes.npz as embed writes it, or .npy")],
    out: Out,
    force: Force = False,
    device: Device = "auto",
) -> None:
    """The pictures of codes that embed has written."""
    from isthmus.jobs.autoencoding.reconstruct import decode as draw

    done(f"Written: {draw(run, codes, out=out, force=force, device=device)}")


@app.command()
def generate(
    run: RunPath,
    out: Out,
    n: Annotated[int, typer.Option("-n", "--number", metavar="N", min=1, help="how many")] = 64,
    seed: Seed = 0,
    force: Force = False,
    device: Device = "auto",
) -> None:
    """New pictures from random codes."""
    from isthmus.jobs.autoencoding.generate import generate as invent

    done(f"Written: {invent(run, n, out=out, seed=seed, force=force, device=device)}")


@app.command()
def interpolate(
    run: RunPath,
    a: Annotated[str, typer.Argument(metavar="A", help="a picture, or one item of a set, as in digits:7")],
    b: Annotated[str, typer.Argument(metavar="B", help="another")],
    out: Out,
    steps: Annotated[int, typer.Option("--steps", metavar="N", min=2, help="pictures, both ends included")] = 10,
    force: Force = False,
    device: Device = "auto",
) -> None:
    """The pictures on the way from one to another, by their codes."""
    from isthmus.jobs.autoencoding.generate import interpolate as walk

    done(f"Written: {walk(run, a, b, steps=steps, out=out, force=force, device=device)}")
