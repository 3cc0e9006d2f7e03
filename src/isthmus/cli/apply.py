"""The verbs of a trained model: its code and its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.app import Device, Devices, First, Force, InputNames, Json, Nodes, Out, RunPath, Seed, Split, app
from isthmus.cli.output import done, print_json

CodesOut = Annotated[
    Path, typer.Option("--out", "-o", metavar="FILE", help=".npz: with names and labels; .csv, .tsv; .npy: codes alone")
]
FolderOut = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="a folder for scores, heatmaps and a page to look at")
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
def detect(
    run: RunPath,
    source: InputNames,
    out: FolderOut,
    false_alarms: Annotated[
        float | None,
        typer.Option(
            "--false-alarms",
            metavar="F",
            help="share of normal items that may be called bad, as 0.01; default: the run's own",
        ),
    ] = None,
    save_masks: Annotated[
        bool, typer.Option("--save-masks", help="also masks/ (PNG of 0 and 255) and boxes.json (COCO) of what is found")
    ] = False,
    save_maps: Annotated[
        str | None,
        typer.Option(
            "--save-maps", metavar="npy|tif", help="also maps/, float32 at the size of the files; default: none"
        ),
    ] = None,
    split: Split = None,
    first: First = None,
    exit_status: Annotated[
        bool, typer.Option("--exit-status", help="end with 3 where anything is bad, or cannot be read")
    ] = False,
    force: Force = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Find what is not normal, and where.

    RUN is one that isthmus train detect has made of normal items.
    """
    from isthmus.jobs.anomaly.detect import detect as look

    how: dict[str, Any] = {"false_alarms": false_alarms, "split": split, "first": first}
    how |= {"save_masks": save_masks, "save_maps": save_maps}
    rows = look(run, source, out=out, force=force, device=device, **how)
    bad, lost = (sum(row["verdict"] == verdict for row in rows) for verdict in ("bad", "unreadable"))
    if json:
        print_json({"out": str(out), "items": len(rows), "bad": bad, "unreadable": lost, "rows": rows})
    else:
        unread = f"; {lost} could not be read" if lost else ""
        done(f"{bad} of {len(rows) - lost} are not like the good ones{unread}. Look at {out}/index.html")
    if exit_status and (bad or lost):
        raise typer.Exit(3)


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
