"""The commands denoise, unwatermark, inpaint and upscale; most options are shared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.app import Device, First, Force, Json, Split, app, with_options
from isthmus.cli.output import Images
from isthmus.inference.mask_regions import MIN_PROBABILITY

Input = Annotated[
    list[str],
    typer.Argument(metavar="INPUT", help="one or more image files, a video, a folder, a glob pattern, or any DATA"),
]
Out = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="PATH", help="output: a file for an image or a video, a folder for a folder"),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="RUN|NAME",
        help="a run folder or a shipped model; default: a shipped model, chosen by the input",
    ),
]
Best = Annotated[bool, typer.Option("--best", help="average eight passes: slightly better, eight times slower")]
White = Annotated[
    float | None,
    typer.Option(
        "--white",
        metavar="F",
        help="pixel value of white, such as 4095; default: from each image (docs/data.md)",
    ),
]
SideBySide = Annotated[bool, typer.Option("--side-by-side", help="also write an image of before and after")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="format in an output folder: png, tif, jpg, webp, bmp; default: png, or tif if necessary",
    ),
]
Quality = Annotated[
    int | None, typer.Option("--jpeg-quality", metavar="N", min=1, max=100, help="JPEG quality, 1 to 100; default: 95")
]
Resume = Annotated[bool, typer.Option("--resume", help="keep existing results and make the missing ones")]
Scale = Annotated[
    int | None,
    typer.Option("--scale", metavar="N", help="enlarge 2, 3 or 4 times; default: none; upscale without --to: 2"),
]
To = Annotated[
    str | None, typer.Option("--to", metavar="WxH", help="enlarge to this size, such as 1920x1080; default: by --scale")
]
Truth = Annotated[
    str | None,
    typer.Option("--truth", metavar="PATH", help="clean version of INPUT, to print PSNR and SSIM; default: none"),
]


shared = with_options(
    model=(Model, None),
    best=(Best, False),
    white=(White, None),
    side_by_side=(SideBySide, False),
    truth=(Truth, None),
    split=(Split, None),
    first=(First, None),
    format=(Format, None),
    jpeg_quality=(Quality, None),
    force=(Force, False),
    resume=(Resume, False),
    json=(Json, False),
    device=(Device, "auto"),
)


def run(verb: str, *, source: list[str], out: Path, options: dict[str, Any], **own: Any) -> None:
    """Call the function `verb` and print its metrics: lines for one image; for several a table and the means.

    options: the shared options. own: the other options of the command; both are keyword arguments of the function.
    """
    from isthmus.jobs.restoration import restore

    json, images = options.pop("json"), Images()
    getattr(restore, verb)(source, out=out, **images.options, **own, **options)
    images.print(out, json, f"Written: {out}")


@app.command()
@shared
def denoise(
    source: Input,
    out: Out,
    strength: Annotated[
        float,
        typer.Option("--strength", metavar="F", min=0.0, help="factor of the change, from 0 up; 1: full"),
    ] = 1.0,
    scale: Scale = None,
    to: To = None,
    upscale_model: Annotated[
        str | None,
        typer.Option(
            "--upscale-model",
            metavar="RUN|NAME",
            help="model that also enlarges; default: with --scale or --to a shipped one",
        ),
    ] = None,
    **options: Any,
) -> None:
    """Remove noise from images; --scale also enlarges them."""
    run("denoise", **locals())


@app.command()
@shared
def unwatermark(
    source: Input,
    out: Out,
    sure: Annotated[
        float,
        typer.Option(
            "--sure", metavar="F", min=0.0, max=1.0, help="least probability at which a region counts as a watermark"
        ),
    ] = MIN_PROBABILITY,
    save_mask: Annotated[bool, typer.Option("--save-mask", help="also write the mask: NAME-mask.png")] = False,
    **options: Any,
) -> None:
    """Remove logos or text from images (experimental).

    Check the result: it may be worse than the input.
    """
    run("unwatermark", **locals())


@app.command()
@shared
def inpaint(
    source: Input,
    out: Out,
    mask: Annotated[
        Path | None,
        typer.Option(
            "--mask",
            metavar="PATH",
            help="mask, white or transparent in the hole, or a folder with one for each image or frame; "
            "default: the transparent part of the image",
        ),
    ] = None,
    invert: Annotated[bool, typer.Option("--invert", help="invert the mask")] = False,
    dilate: Annotated[int, typer.Option("--dilate", min=0, metavar="N", help="grow the hole by N pixels")] = 0,
    threshold: Annotated[
        float,
        typer.Option(
            "--threshold", metavar="F", min=0.0, max=1.0, help="share of white above which a pixel of the mask is hole"
        ),
    ] = 0.5,
    **options: Any,
) -> None:
    """Fill holes in images."""
    run("inpaint", **locals())


@app.command()
@shared
def upscale(
    source: Input,
    out: Out,
    scale: Scale = None,
    to: To = None,
    deblock: Annotated[
        bool, typer.Option("--deblock/--no-deblock", help="first remove the blocks of a JPEG of quality 85 or less")
    ] = True,
    **options: Any,
) -> None:
    """Enlarge images 2, 3 or 4 times, or to any size."""
    run("upscale", **locals())
