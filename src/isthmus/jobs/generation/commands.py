"""Commands of generation: generate, interpolate."""

from __future__ import annotations

from typing import Annotated

import typer

from isthmus.cli.app import Device, Force, Out, RunPath, Seed, app
from isthmus.cli.output import print_closing


@app.command()
def generate(
    run: RunPath,
    out: Out,
    n: Annotated[int, typer.Option("-n", "--number", metavar="N", min=1, help="number of items")] = 64,
    prior: Annotated[
        str,
        typer.Option(
            "--prior", metavar="NAME", help="normal, mixture, flow, transformer, or auto: the one that suits RUN"
        ),
    ] = "auto",
    label: Annotated[
        str | None, typer.Option("--label", metavar="NAME", help="only items of this label; default: all labels")
    ] = None,
    near: Annotated[
        str | None, typer.Option("--near", metavar="FILE", help="vary this item by the temperature; default: none")
    ] = None,
    complete: Annotated[
        str | None,
        typer.Option(
            "--continue", metavar="FILE", help="keep the upper half of this image (discrete codes); default: none"
        ),
    ] = None,
    walk: Annotated[
        int, typer.Option("--walk", metavar="N", min=0, help="N items from each to the next, on a closed path")
    ] = 0,
    temperature: Annotated[
        float | None,
        typer.Option("--temperature", metavar="F", min=0, help="variety; default: 1, or 0.3 with --near"),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option("--top-k", metavar="K", min=1, help="transformer: only the K most probable symbols; default: all"),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            "--top-p", metavar="F", help="transformer: only the symbols of this total probability; default: 1"
        ),
    ] = None,
    index: Annotated[
        int, typer.Option("--index", metavar="K", min=0, help="index of the first item: item K is always the same")
    ] = 0,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="TIME", help="to fit a prior that RUN lacks, such as 5m; default: none"),
    ] = None,
    seed: Seed = 0,
    force: Force = False,
    device: Device = "auto",
) -> None:
    """Generate new images, or other items, from a prior over the codes."""
    options = dict(locals())
    from isthmus.jobs.generation.generate import generate

    print_closing(f"Written: {generate(**options)}")


@app.command()
def interpolate(
    run: RunPath,
    a: Annotated[str, typer.Argument(metavar="A", help="an image, or one item of a data set, as in digits:7")],
    out: Out,
    b: Annotated[str | None, typer.Argument(metavar="[B]", help="a second image or item")] = None,
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", min=2, help="number of images, both ends included")
    ] = 10,
    spherical: Annotated[bool, typer.Option("--spherical", help="on a great circle instead of a line")] = False,
    add: Annotated[
        str | None,
        typer.Option(
            "--add", metavar="LABEL", help="instead of B, the direction of a label of the data; default: none"
        ),
    ] = None,
    subtract: Annotated[
        str | None,
        typer.Option("--subtract", metavar="LABEL", help="with --add, away from this label; default: all others"),
    ] = None,
    force: Force = False,
    device: Device = "auto",
) -> None:
    """Interpolate between two images through their codes."""
    options = dict(locals())
    from isthmus.jobs.generation.interpolate import interpolate

    print_closing(f"Written: {interpolate(**options)}")
