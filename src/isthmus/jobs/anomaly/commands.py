"""The command detect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.app import Device, First, Force, InputNames, Json, RunPath, Split, app
from isthmus.cli.output import print_closing, print_json

FolderOut = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="folder for scores.csv, heatmaps/ and index.html")
]


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
            help="accepted false-positive rate, such as 0.01; default: as in training",
        ),
    ] = None,
    save_masks: Annotated[
        bool,
        typer.Option(
            "--save-masks", help="also write masks/ (PNG of 0 and 255) and boxes.json (COCO) of anomalous regions"
        ),
    ] = False,
    save_maps: Annotated[
        str | None,
        typer.Option(
            "--save-maps",
            metavar="npy|tif",
            help="also write maps/: anomaly maps, float32, at the size of the files; default: none",
        ),
    ] = None,
    split: Split = None,
    first: First = None,
    exit_status: Annotated[
        bool, typer.Option("--exit-status", help="exit with code 3 if an item is anomalous or unreadable")
    ] = False,
    force: Force = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Detect anomalous items, and anomalous regions of images.

    RUN is a run of isthmus train detect, trained on normal items.
    """
    from isthmus.jobs.anomaly.detect import detect as find_anomalies

    options: dict[str, Any] = {"false_alarms": false_alarms, "split": split, "first": first}
    options |= {"save_masks": save_masks, "save_maps": save_maps}
    rows = find_anomalies(run, source, out=out, force=force, device=device, **options)
    anomalous, unreadable = (sum(row["verdict"] == verdict for row in rows) for verdict in ("bad", "unreadable"))
    if json:
        print_json({"out": str(out), "items": len(rows), "bad": anomalous, "unreadable": unreadable, "rows": rows})
    else:
        note = f"; {unreadable} could not be read" if unreadable else ""
        print_closing(f"{anomalous} of {len(rows) - unreadable} items are anomalous{note}. Results: {out}/index.html")
    if exit_status and (anomalous or unreadable):
        raise typer.Exit(3)
