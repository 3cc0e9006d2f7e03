"""The verbs that make a bad picture good: the same options, and a few of each one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.app import Device, First, Force, Json, Split, app
from isthmus.cli.output import done, print_json, print_lines, print_table
from isthmus.inference.marks import SURE

Input = Annotated[
    list[str],
    typer.Argument(metavar="INPUT", help="a picture, several, a film, a folder, a pattern, or as DATA"),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out", "-o", metavar="PATH", help="a picture for a picture, a folder for a folder, a film for a film"
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="RUN|NAME", help="a run folder, or a shipped model; default: the shipped model that fits"
    ),
]
Best = Annotated[bool, typer.Option("--best", help="the mean of eight passes: a little better, eight times the time")]
White = Annotated[
    float | None,
    typer.Option(
        "--white",
        metavar="F",
        help="the number that is white, such as 4095; default: what each picture holds (docs/data.md)",
    ),
]
Beside = Annotated[bool, typer.Option("--side-by-side", help="also a picture of before and after")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="NAME", help="for a folder: png, tif, jpg, webp, bmp; default: png, or tif if it must"
    ),
]
Quality = Annotated[
    int | None, typer.Option("--jpeg-quality", metavar="N", min=1, max=100, help="of .jpg, 1 to 100; default: 95")
]
Resume = Annotated[bool, typer.Option("--resume", help="leave what is there, and do the rest")]
Scale = Annotated[
    int | None,
    typer.Option("--scale", metavar="N", help="2, 3 or 4 times as wide and high; default: 2, if nothing else is named"),
]
To = Annotated[str | None, typer.Option("--to", metavar="WxH", help="any size, as in 1920x1080; default: by --scale")]
Truth = Annotated[
    str | None,
    typer.Option("--truth", metavar="PATH", help="the clean version: PSNR and SSIM are printed; default: none"),
]


def run(verb: str, *, source: list[str], out: Path, json: bool, **how: Any) -> None:
    """Do it, and print the figures: of one picture as lines, of several as a table and their means.

    how: what else the command was given; the function of that name takes the same.
    """
    from isthmus.jobs.restoration import restore

    rows: list[dict[str, Any]] = []
    getattr(restore, verb)(source, out=out, each=rows.append, **how)
    keys = rows[0] if rows else []  # none where --resume found all of them there
    numbers = {key: [row[key] for row in rows if isinstance(row.get(key), float)] for key in keys}
    means = {key: sum(values) / len(values) for key, values in numbers.items() if values}
    means |= {"seconds": sum(numbers.get("seconds", []))}
    if json:
        print_json({"out": str(out), "pictures": len(rows), **means, "files": rows})
        return
    if len(rows) == 1:
        print_lines(rows[0])
    elif rows:
        print_table(rows)
        print_lines({"pictures": len(rows), **means})
    done(f"Written: {out}")


@app.command()
def denoise(
    source: Input,
    out: Out,
    model: Model = None,
    strength: Annotated[
        float, typer.Option("--strength", metavar="F", min=0.0, help="of the change: 0 none, 1 all")
    ] = 1.0,
    scale: Scale = None,
    to: To = None,
    upscale_model: Annotated[
        str | None,
        typer.Option(
            "--upscale-model",
            metavar="RUN|NAME",
            help="what enlarges it, by its own scale, if alone; default: a shipped one, with --scale or --to",
        ),
    ] = None,
    best: Best = False,
    white: White = None,
    side_by_side: Beside = False,
    truth: Truth = None,
    split: Split = None,
    first: First = None,
    format: Format = None,
    jpeg_quality: Quality = None,
    force: Force = False,
    resume: Resume = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Remove noise from pictures; --scale enlarges them too."""
    run("denoise", **locals())


@app.command()
def unwatermark(
    source: Input,
    out: Out,
    model: Model = None,
    sure: Annotated[
        float,
        typer.Option("--sure", metavar="F", min=0.0, max=1.0, help="how likely it has to be that a mark is one"),
    ] = SURE,
    save_mask: Annotated[bool, typer.Option("--save-mask", help="also where it was: NAME-mask.png")] = False,
    best: Best = False,
    white: White = None,
    side_by_side: Beside = False,
    truth: Truth = None,
    split: Split = None,
    first: First = None,
    format: Format = None,
    jpeg_quality: Quality = None,
    force: Force = False,
    resume: Resume = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Remove a logo or words from pictures (experimental).

    Look at the result: it may be worse than the input.
    """
    run("unwatermark", **locals())


@app.command()
def inpaint(
    source: Input,
    out: Out,
    mask: Annotated[
        Path | None,
        typer.Option(
            "--mask",
            metavar="PATH",
            help="white or transparent is the hole; a folder: one for each picture, or frame; "
            "default: the transparent part of the picture",
        ),
    ] = None,
    invert: Annotated[bool, typer.Option("--invert", help="the rest is the hole")] = False,
    dilate: Annotated[int, typer.Option("--dilate", min=0, metavar="N", help="the hole grows by N pixels")] = 0,
    threshold: Annotated[
        float, typer.Option("--threshold", metavar="F", min=0.0, max=1.0, help="share of white where the hole begins")
    ] = 0.5,
    model: Model = None,
    best: Best = False,
    white: White = None,
    side_by_side: Beside = False,
    truth: Truth = None,
    split: Split = None,
    first: First = None,
    format: Format = None,
    jpeg_quality: Quality = None,
    force: Force = False,
    resume: Resume = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Fill holes in pictures."""
    run("inpaint", **locals())


@app.command()
def upscale(
    source: Input,
    out: Out,
    scale: Scale = None,
    to: To = None,
    deblock: Annotated[
        bool, typer.Option("--deblock/--no-deblock", help="remove the blocks of a JPEG of quality 85 or less first")
    ] = True,
    model: Model = None,
    best: Best = False,
    white: White = None,
    side_by_side: Beside = False,
    truth: Truth = None,
    split: Split = None,
    first: First = None,
    format: Format = None,
    jpeg_quality: Quality = None,
    force: Force = False,
    resume: Resume = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Enlarge pictures, 2, 3 or 4 times or to any size."""
    run("upscale", **locals())
