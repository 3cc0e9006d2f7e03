"""The verbs of a training: train, evaluate, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.app import DataName, First, Force, Json, RunPath, Split, app
from isthmus.cli.output import done, print_json, print_lines, print_table, transposed
from isthmus.cli.values import settings


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
    from isthmus.data import inspected
    from isthmus.recipes import find

    known = getattr(model.corruption, "clean", True)  # or else only a truth tells how good it is
    measure = [f"isthmus evaluate {out} {data}" + (f" --truth {truth}" if truth else "")] if known or truth else []
    if (job := find(recipe)).whole is not None:
        labelled = Path(data).is_dir() and inspected(Path(data)).judged
        return [f"isthmus {job.name} {out} NEW --out report", *(measure if labelled else [])]
    if job.cut is None:
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
