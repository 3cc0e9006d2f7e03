"""What there is: the demo, the recipes, the shipped models, somebody's data, a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.app import DataName, First, Force, Json, RunPath, app
from isthmus.cli.output import done, print_card, print_json, print_lines, print_table, unused_path
from isthmus.cli.values import settings


def _version(asked: bool) -> None:
    if asked:
        from isthmus import __version__

        print(f"isthmus {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="print the version")
    ] = False,
) -> None:
    pass


DemoOut = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="the folder for the page")]


@app.command()
def demo(out: DemoOut = Path("isthmus-demo"), force: Force = False) -> None:
    """Six types learn handwritten digits, in two minutes."""
    from isthmus.verbs.demo import demo as run_demo

    rows, page = run_demo(out, force=force)
    print_table(rows)
    done(
        f"Open {page} to look at what they learned. Then:",
        "isthmus train conv MY-FOLDER --out runs/mine",
        "isthmus reconstruct runs/mine MY-FOLDER --out rebuilt",
        "isthmus recipes",
    )


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="a recipe; default: list all")] = None,
    json: Json = False,
) -> None:
    """The types and jobs; with NAME, its --set keys.

    contrastive is another name of contractive, as some articles spell it; it is not contrastive learning.
    """
    from isthmus.verbs.recipe_tables import list_keys, list_recipes

    rows = list_recipes() if name is None else list_keys(name)
    print_json({"recipes" if name is None else "keys": rows}) if json else print_table(rows)


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="a shipped model; default: list all")] = None,
    json: Json = False,
) -> None:
    """The shipped models; with NAME, the whole card of one."""
    from isthmus.models import card_of, names

    if name is not None:
        card = card_of(name)
        print_json(card) if json else print_card(card)
        return
    cards = [card_of(each) for each in names()]
    if json:
        print_json({"models": cards})
    elif cards:
        what = {"name": "model", "use": "for", "data": "learned from", "licence": "their licence allows"}
        print_table([{column: card.get(key) for key, column in what.items()} for card in cards])
    else:
        done("No model is shipped yet. To make one:", "isthmus train denoise MY-FOLDER --out runs/mine")


@app.command()
def show(
    data: DataName,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PATH", help="the contact sheet; default: NAME-sheet.png")
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", metavar="N", min=1, help="pictures become N×N; default: their own size")
    ] = None,
    gray: Annotated[bool, typer.Option("--gray", help="pictures become gray")] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="white; of a table labels, drop, keep, missing, normal, window, stride"
        ),
    ] = None,
    first: First = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """What is in a set of data, and a contact sheet."""
    from isthmus.report import write_picture
    from isthmus.verbs.show import show as look

    keys = settings(set_ or [], {})
    facts, sheet = look(data, out=out, size=size, gray=gray or None, first=first, force=force, **keys)
    where = out or write_picture(unused_path(Path(f"{facts['name']}-sheet.png")), sheet)
    if json:
        print_json(facts | {"sheet": str(where)})
    else:
        print_lines(facts)
        done(f"Contact sheet: {where}")


@app.command()
def describe(run: RunPath, json: Json = False) -> None:
    """Diagram of a run's net: shapes, weights, cost."""
    from isthmus.verbs.describe import describe as examine
    from isthmus.verbs.describe import diagram

    facts = examine(run)
    if json:
        print_json(facts)
    else:
        print(diagram(facts))
        print(f"\n{facts['weights']:,} weights, {facts['operations'] / 1e6:,.2f} million operations an item")
