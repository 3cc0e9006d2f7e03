"""The verbs, each a few lines: read the options, call the function of the same name, print what it returns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.output import done, free, print_card, print_json, print_lines, print_table, transposed
from isthmus.cli.values import settings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Autoencoders of every classical type, on your own pictures: train one, then use it.",
    epilog="Every command: isthmus COMMAND --help.  To begin: isthmus demo",
)

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, as train writes it")]
DataName = Annotated[str, typer.Argument(metavar="DATA", help="digits, mnist, fashion-mnist, a folder, .npy, .npz")]
InputName = Annotated[str, typer.Argument(metavar="INPUT", help="a picture, or anything that DATA is")]
Out = Annotated[Path, typer.Option("--out", help="where the result goes: .png, .gif, .npy ..., or a folder")]
Split = Annotated[str | None, typer.Option("--split", help="train, validation, test or all")]
First = Annotated[int | None, typer.Option("--first", min=1, help="only the first N items")]
Force = Annotated[bool, typer.Option("--force", help="write over what is there")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on stdout, and nothing else there")]
Seed = Annotated[int, typer.Option("--seed", min=0)]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, mps")]
Devices = Annotated[int, typer.Option("--devices", min=1, help="processes on this machine that share the work")]
Nodes = Annotated[int, typer.Option("--nodes", min=1, help="machines that share the work")]


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


@app.command()
def demo(out: Out = Path("isthmus-demo"), force: Force = False) -> None:
    """Six types learn handwritten digits, in two minutes."""
    from isthmus.tasks.demo import demo as run_demo

    rows, page = run_demo(out, force=force)
    print_table(rows)
    done(
        f"Open {page} to look at what they learned. Then:",
        "isthmus train conv MY-FOLDER --out runs/mine",
        "isthmus reconstruct runs/mine MY-FOLDER --out rebuilt",
        "isthmus recipes",
    )


@app.command()
def recipes(name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None, json: Json = False) -> None:
    """The types and jobs; with NAME, its --set keys."""
    from isthmus.tasks.catalogue import list_keys, list_recipes

    rows = list_recipes() if name is None else list_keys(name)
    print_json({"recipes" if name is None else "keys": rows}) if json else print_table(rows)


@app.command()
def models(name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None, json: Json = False) -> None:
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
    out: Annotated[Path | None, typer.Option("--out", help="the contact sheet, by default NAME-sheet.png")] = None,
    size: Annotated[int | None, typer.Option("--size", min=1, help="pictures become N×N")] = None,
    gray: Annotated[bool, typer.Option("--gray", help="pictures become gray")] = False,
    first: First = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """What is in a set of data, and a contact sheet."""
    from isthmus.report import write_picture
    from isthmus.tasks.show import show as look

    facts, sheet = look(data, out=out, size=size, gray=gray or None, first=first, force=force)
    where = out or write_picture(free(Path(f"{facts['name']}-sheet.png")), sheet)
    if json:
        print_json(facts | {"sheet": str(where)})
    else:
        print_lines(facts)
        done(f"Contact sheet: {where}")


@app.command()
def describe(run: RunPath, json: Json = False) -> None:
    """Diagram of a run's net: shapes, weights, cost."""
    from isthmus.tasks.describe import describe as examine
    from isthmus.tasks.describe import diagram

    facts = examine(run)
    if json:
        print_json(facts)
    else:
        print(diagram(facts))
        print(f"\n{facts['weights']:,} weights, {facts['operations'] / 1e6:,.2f} million operations an item")


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="a type: see isthmus recipes")],
    data: DataName,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="the run folder to make")],
    code: Annotated[str | None, typer.Option("--code", help="numbers in the code: 24, or 4x7x7")] = None,
    loss: Annotated[str | None, typer.Option("--loss", help="bce, mse, gaussian, l1, categorical, ssim")] = None,
    epochs: Annotated[float | None, typer.Option("--epochs")] = None,
    budget: Annotated[str | None, typer.Option("--budget", help="train as well as 90s, 10m or 2h allow")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size")] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="learning rate")] = None,
    size: Annotated[int | None, typer.Option("--size", min=1, help="pictures become N×N")] = None,
    gray: Annotated[bool, typer.Option("--gray", help="pictures become gray")] = False,
    validation: Annotated[float | None, typer.Option("--validation", help="share held back to choose on")] = None,
    truth: Annotated[str | None, typer.Option("--truth", metavar="PATH", help="what DATA should be: pairs")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="any key of the recipe")] = None,
    init: Annotated[Path | None, typer.Option("--init", metavar="RUN", help="start from its weights")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="of weights, parts, order and noise")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on where RUN stopped")] = False,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, mps")] = None,
    precision: Annotated[str | None, typer.Option("--precision", help="32-true, bf16-mixed, 16-mixed")] = None,
    devices: Annotated[int | None, typer.Option("--devices", help="processes on this machine")] = None,
    nodes: Annotated[int | None, typer.Option("--nodes", help="machines")] = None,
    strategy: Annotated[str | None, typer.Option("--strategy", help="ddp or fsdp")] = None,
    json: Json = False,
) -> None:
    """Train a recipe on your data."""
    from isthmus.machines import first_rank
    from isthmus.tasks.train import train as make

    named: dict[str, Any] = {"loss": loss, "epochs": epochs, "batch_size": batch_size, "lr": lr, "seed": seed}
    named |= {"validation": validation, "device": device, "precision": precision, "budget": budget}
    named |= {"devices": devices, "nodes": nodes, "strategy": strategy}
    keys = settings(set_ or [], {key: value for key, value in named.items() if value is not None})
    code = keys.pop("code", code)
    run = make(
        recipe, data, out=out, code=code, size=size, gray=gray or None, truth=truth, init=init, resume=resume, **keys
    )
    if not first_rank():  # of several processes one speaks
        return
    if json:
        print_json({"run": str(out), "status": run.finished, **run.metrics})
    else:
        print_lines({"status": run.finished, **run.metrics})
        done(f"Look at {out}/index.html. Then:", *next_steps(run.model, recipe, out, data, truth))


def next_steps(model: Any, recipe: str, out: Path, data: str, truth: str | None) -> list[str]:
    """What to do with a new run, as commands."""
    from isthmus.recipes import find

    known = getattr(model.corruption, "clean", True)  # or else only a truth tells how good it is
    measure = [f"isthmus evaluate {out} {data}" + (f" --truth {truth}" if truth else "")] if known or truth else []
    if (job := find(recipe)).cut is None:
        return [*measure, f"isthmus reconstruct {out} {data} --first 16 --out rebuilt"]
    mask = " --mask MASK" if job.name == "inpaint" else ""
    return [*measure, f"isthmus {job.name} PICTURE{mask} --model {out} --out restored.png"]


@app.command()
def evaluate(
    run: RunPath,
    data: DataName,
    truth: Annotated[str | None, typer.Option("--truth", help="what DATA should be: nothing is added to DATA")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="sigma or corruption")] = None,
    split: Split = None,
    first: First = None,
    json: Json = False,
) -> None:
    """Every figure of a run on data: by default on its test part."""
    from isthmus.errors import unknown
    from isthmus.tasks.evaluate import evaluate as measure

    keys = settings(set_ or [], {})
    for key in keys:
        if key not in ("sigma", "corruption"):
            raise unknown("key for evaluate", key, ("sigma", "corruption"))
    figures = measure(run, data, split=split, first=first, truth=truth, **keys)
    print_json(figures) if json else print_lines(figures)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...")],
    out: Annotated[Path | None, typer.Option("--out", help="the table as a page, .html")] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """One table over runs; seeds of one recipe as mean ± sd."""
    from isthmus.tasks.compare import BEST
    from isthmus.tasks.compare import compare as stand_beside

    rows = stand_beside(runs, out=out, force=force)
    if json:
        print_json({"rows": rows})
    else:
        print_table(transposed(rows) if len(rows) < 6 else rows, BEST)


@app.command()
def reconstruct(
    run: RunPath,
    source: InputName,
    out: Out,
    split: Split = None,
    first: First = None,
    force: Force = False,
    device: Device = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
) -> None:
    """What a run makes of pictures."""
    from isthmus.tasks.use import reconstruct as rebuild

    how = {"device": device, "devices": devices, "nodes": nodes}
    done(f"Written: {rebuild(run, source, out=out, split=split, first=first, force=force, **how)}")


@app.command()
def embed(
    run: RunPath,
    source: InputName,
    out: Out,
    split: Split = None,
    first: First = None,
    force: Force = False,
    device: Device = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
) -> None:
    """The codes of pictures, as .npz."""
    from isthmus.tasks.use import embed as encode

    how = {"device": device, "devices": devices, "nodes": nodes}
    done(f"Written: {encode(run, source, out=out, split=split, first=first, force=force, **how)}")


@app.command()
def decode(
    run: RunPath,
    codes: Annotated[Path, typer.Argument(metavar="CODES", help="codes.npz as embed writes it, or .npy")],
    out: Out,
    force: Force = False,
) -> None:
    """The pictures of codes."""
    from isthmus.tasks.use import decode as draw

    done(f"Written: {draw(run, codes, out=out, force=force)}")


@app.command()
def generate(
    run: RunPath,
    out: Out,
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="how many")] = 64,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """New pictures from random codes."""
    from isthmus.tasks.generate import generate as invent

    done(f"Written: {invent(run, n, out=out, seed=seed, force=force)}")


@app.command()
def interpolate(
    run: RunPath,
    a: Annotated[str, typer.Argument(metavar="A", help="a picture, or one item of a set, as in digits:7")],
    b: Annotated[str, typer.Argument(metavar="B", help="another")],
    out: Out,
    steps: Annotated[int, typer.Option("--steps", min=2, help="pictures, both ends included")] = 10,
    force: Force = False,
) -> None:
    """The pictures on the way from one to another."""
    from isthmus.tasks.generate import interpolate as walk

    done(f"Written: {walk(run, a, b, steps=steps, out=out, force=force)}")


@app.command()
def export(
    run: RunPath,
    out: Annotated[Path, typer.Option("--out", help="the file to write, .onnx")],
    part: Annotated[str | None, typer.Option("--part", help="encoder or decoder; both by default")] = None,
    force: Force = False,
) -> None:
    """A run as ONNX, for other languages and machines."""
    from isthmus.export import export as write

    done(f"Written: {write(run, out, part=part, force=force)}")
