"""The commands models (list the shipped models) and export (a run as ONNX)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.app import Force, Json, RunPath, app
from isthmus.cli.output import print_card, print_closing, print_json, print_table

CARD_COLUMNS = {"name": "model", "use": "for", "data": "trained on", "licence": "license of these data"}


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="a shipped model; default: all")] = None,
    json: Json = False,
) -> None:
    """List the shipped models, or print the model card of one."""
    from isthmus.models import card_of, names

    if name is not None:
        card = card_of(name)
        print_json(card) if json else print_card(card)
        return
    cards = [card_of(each) for each in names()]
    if json:
        print_json({"models": cards})
    elif cards:
        print_table([{column: card.get(key) for key, column in CARD_COLUMNS.items()} for card in cards])
    else:
        print_closing("No model is shipped yet. To make one:", "isthmus train denoise MY-FOLDER --out runs/mine")


@app.command()
def export(
    run: RunPath,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="output file, .onnx")],
    part: Annotated[
        str | None, typer.Option("--part", metavar="NAME", help="encoder or decoder; default: both")
    ] = None,
    force: Force = False,
) -> None:
    """Export a run as ONNX, for other languages and machines."""
    from isthmus.verbs.export import export as write

    print_closing(f"Written: {write(run, out, part=part, force=force)}")
