"""The command segment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.app import Device, First, Force, InputNames, Json, RunPath, Split, app
from isthmus.cli.output import Images

FolderOut = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="folder for label maps, overlays/, areas.csv and boxes.json")
]


@app.command()
def segment(
    run: RunPath,
    source: InputNames,
    out: FolderOut,
    best: Annotated[
        bool, typer.Option("--best", help="average eight flips and turns: slightly better, eight times slower")
    ] = False,
    threshold: Annotated[
        float,
        typer.Option("--threshold", metavar="F", min=0, max=1, help="two classes: least probability of the second"),
    ] = 0.5,
    min_area: Annotated[
        int, typer.Option("--min-area", metavar="N", min=0, help="leave out objects of fewer pixels")
    ] = 0,
    format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="of the labels: png, tiff, coco or labelme")
    ] = "png",
    masks: Annotated[
        str | None,
        typer.Option(
            "--masks", metavar="PATH", help="masks of INPUT, for metrics and a page with the worst first; default: none"
        ),
    ] = None,
    overlays: Annotated[bool, typer.Option("--overlays/--no-overlays", help="write overlays/")] = True,
    split: Split = None,
    first: First = None,
    force: Force = False,
    resume: Annotated[bool, typer.Option("--resume", help="keep existing results and make the missing ones")] = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Segment images into classes or objects.

    RUN is a run of isthmus train segment.
    """
    from isthmus.jobs.segmentation.comparison import PAGE
    from isthmus.jobs.segmentation.object_tables import AREAS, BOXES
    from isthmus.jobs.segmentation.segment import segment as segment_images

    images = Images()
    options: dict[str, Any] = {"best": best, "threshold": threshold, "min_area": min_area, "overlays": overlays}
    options |= {"format": format, "split": split, "first": first, "force": force, "resume": resume, "device": device}
    names = source[0] if len(source) == 1 else source
    segment_images(run, names, out=out, masks=masks, **images.options, **options)
    made = [name for name in (AREAS, BOXES, PAGE) if (out / name).is_file()]  # not of a stack or a video
    images.print(out, json, f"Written: {out}" + (f"/{', '.join(made)}" if made else ""))
