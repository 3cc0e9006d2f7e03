"""The commands demo, recipes, show (a data set) and describe (the network of a run)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.app import DataName, First, Force, Json, RunPath, app
from isthmus.cli.output import print_closing, print_json, print_lines, print_table, unused_path
from isthmus.cli.values import settings


def _version(asked: bool) -> None:
    if asked:
        from isthmus import __version__

        print(f"isthmus {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="print the version and exit")
    ] = False,
) -> None:
    pass


DemoOut = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="folder of the page")]


@app.command()
def demo(out: DemoOut = Path("isthmus-demo"), force: Force = False) -> None:
    """Train all six types on handwritten digits, in two minutes."""
    from isthmus.verbs.demo import demo as run_demo

    rows, page = run_demo(out, force=force)
    print_table(rows)
    print_closing(
        f"Results: {page}. Next:",
        "isthmus train conv MY-FOLDER --out runs/mine",
        "isthmus reconstruct runs/mine MY-FOLDER --out rebuilt",
        "isthmus recipes",
    )


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="a recipe; default: all")] = None,
    json: Json = False,
) -> None:
    """List the recipes, or the --set keys of one.

    contrastive is another name of contractive, used in some articles; it is not contrastive learning.
    """
    from isthmus.verbs.recipe_tables import list_keys, list_recipes

    rows = list_recipes() if name is None else list_keys(name)
    print_json({"recipes" if name is None else "keys": rows}) if json else print_table(rows)


@app.command()
def show(
    data: DataName,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="PATH", help="file of the contact sheet; default: NAME-sheet.png"),
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", metavar="N", min=1, help="resize images to N×N; default: their own size")
    ] = None,
    gray: Annotated[bool, typer.Option("--gray", help="convert images to gray")] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="white=N; for a table: labels, drop, keep, missing, normal, window, stride",
        ),
    ] = None,
    first: First = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Describe a data set and write a contact sheet."""
    from isthmus.report import write_picture
    from isthmus.verbs.show import show as describe_data

    keys = settings(set_ or [], {})
    facts, sheet = describe_data(data, out=out, size=size, gray=gray or None, first=first, force=force, **keys)
    path = out or write_picture(unused_path(Path(f"{facts['name']}-sheet.png")), sheet)
    if json:
        print_json(facts | {"sheet": str(path)})
    else:
        print_lines(facts)
        print_closing(f"Contact sheet: {path}")


@app.command()
def describe(run: RunPath, json: Json = False) -> None:
    """Draw a run's network: layers, shapes, weights, cost."""
    from isthmus.verbs.describe import describe as describe_run
    from isthmus.verbs.describe import diagram

    facts = describe_run(run)
    if json:
        print_json(facts)
    else:
        print(diagram(facts))
        print(f"\n{facts['weights']:,} weights, {facts['operations'] / 1e6:,.2f} million operations per item")
