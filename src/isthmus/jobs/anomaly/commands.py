"""The command of anomaly detection."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.app import Device, First, Force, InputNames, Json, RunPath, Split, app
from isthmus.cli.output import done, print_json

FolderOut = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="a folder for scores, heatmaps and a page to look at")
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
