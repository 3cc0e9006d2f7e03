"""The verbs of a training: train, evaluate, compare."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.app import DEVICES, DataName, Device, First, Force, Json, RunPath, app, device_name
from isthmus.cli.output import done, print_figures, print_json, print_lines, print_table, unused_path
from isthmus.cli.values import settings
from isthmus.errors import BadInput

OWN = "default: the recipe's own"


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="a type or a job: isthmus recipes lists them")],
    data: DataName,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="RUN", help="the run folder; default: runs/RECIPE-DATE")
    ] = None,
    code: Annotated[str | None, typer.Option("--code", metavar="N|CxHxW", help=f"size of the code; {OWN}")] = None,
    loss: Annotated[
        str | None, typer.Option("--loss", metavar="NAME", help=f"bce, mse, gaussian, l1, categorical, ssim; {OWN}")
    ] = None,
    epochs: Annotated[float | None, typer.Option("--epochs", metavar="N", help=f"passes over the data; {OWN}")] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="TIME", help="instead of --epochs: 90s, 10m or 2h; default: none")
    ] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", metavar="N", help=f"items a step; {OWN}")] = None,
    lr: Annotated[float | None, typer.Option("--lr", metavar="F", help=f"learning rate; {OWN}")] = None,
    size: Annotated[
        int | None,
        typer.Option("--size", metavar="N", min=1, help="pictures become N×N; default: their own size, if all agree"),
    ] = None,
    gray: Annotated[bool, typer.Option("--gray", help="pictures become gray")] = False,
    validation: Annotated[
        float | None, typer.Option("--validation", metavar="F", help=f"share held back to choose weights on; {OWN}")
    ] = None,
    truth: Annotated[
        str | None, typer.Option("--truth", metavar="PATH", help="the clean version of DATA: pairs; default: none")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="COLUMN", help="of a table: what a row is; default: by its name"),
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", metavar="COLUMN", help="of a table, left out; default: none")
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep", metavar="COLUMN", help="of a table, learned from though it only seems to count; default: none"
        ),
    ] = None,
    window: Annotated[
        int | None, typer.Option("--window", metavar="N", min=1, help="rows of a series in an item; default: one")
    ] = None,
    stride: Annotated[
        int | None, typer.Option("--stride", metavar="N", min=1, help="rows from window to window; default: --window")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="any key that isthmus recipes RECIPE lists, with its default"),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            "--init", metavar="RUN", help="a run or a shipped model whose weights are the start; default: none"
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="of weights, parts, order and noise; default: 0")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="continue where RUN stopped")] = False,
    device: Annotated[
        str | None, typer.Option("--device", metavar="NAME", callback=device_name, help=f"{DEVICES}; default: auto")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option("--precision", metavar="NAME", help="32-true, bf16-mixed, 16-mixed; default: 32-true"),
    ] = None,
    devices: Annotated[
        int | None, typer.Option("--devices", metavar="N", help="processes on this machine; default: 1")
    ] = None,
    nodes: Annotated[int | None, typer.Option("--nodes", metavar="N", help="machines; default: 1")] = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", metavar="NAME", help="ddp or fsdp; default: ddp")
    ] = None,
    json: Json = False,
) -> None:
    """Train a recipe on your data."""
    from isthmus.distributed import first_rank
    from isthmus.jobs import job_of
    from isthmus.recipes import find
    from isthmus.verbs.train import train as make

    named: dict[str, Any] = {"loss": loss, "epochs": epochs, "batch_size": batch_size, "lr": lr, "seed": seed}
    named |= {"validation": validation, "device": device, "precision": precision, "budget": budget}
    named |= {"devices": devices, "nodes": nodes, "strategy": strategy}
    named |= {"labels": labels, "drop": drop or None, "keep": keep or None, "window": window, "stride": stride}
    keys = settings(set_ or [], {key: value for key, value in named.items() if value is not None})
    code = keys.pop("code", code)
    run_of: dict[str, Any] = {
        "code": code,
        "size": size,
        "gray": gray or None,
        "truth": truth,
        "init": init,
        "resume": resume,
    }
    named_out, out = out, out or run_folder(recipe, resume, keys)
    try:
        run = make(recipe, data, out=out, **run_of, **keys)
    except KeyboardInterrupt:
        if named_out is None and out.exists():  # which nobody has typed yet
            done(f"Run folder: {out}")
        raise
    if not first_rank():  # of several processes one speaks
        return
    check = getattr(job_of(run.model).part(run.model), "check", None)
    if json:
        print_json(
            {
                "run": str(out),
                "status": run.finished,
                **run.metrics,
                "beside": run.beside or None,
                **({"self_check": check} if check else {}),
            }
        )
    else:
        print_lines({"status": run.finished, **run.readable})
        if run.beside:
            print(run.beside["verdict"])
        if run.self_check:
            print(run.self_check)
        steps = job_of(run.model).next_steps(run.model, find(recipe).name, out, data, truth)
        done(f"Look at {out}/index.html. Then:", *steps)


def run_folder(recipe: str, resume: bool, keys: Mapping[str, Any]) -> Path:
    """runs/RECIPE-DATE, the first that is free. Raises BadInput where all the processes could not agree on it."""
    if resume:
        raise BadInput("--resume: name the run folder to continue, --out RUN")
    if int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_NTASKS") or 1) > 1 or any(
        keys.get(key, 1) != 1 for key in ("devices", "nodes")
    ):
        raise BadInput("several processes: name the run folder, --out RUN")
    return unused_path(Path("runs") / f"{recipe}-{date.today()}")


@app.command()
def evaluate(
    run: RunPath,
    data: DataName,
    truth: Annotated[
        str | None,
        typer.Option("--truth", metavar="PATH", help="the clean version of DATA; default: DATA is clean"),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="sigma or corruption, other than the run's own"),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="CSV", help="for detect: file and label of pictures; default: by folders"),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="NAME", help="train, validation, test, all; default: test, if any"),
    ] = None,
    first: First = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Every figure of a run on data: by default on its test part."""
    from isthmus.errors import unknown
    from isthmus.verbs.evaluate import evaluate as measure

    keys = settings(set_ or [], {})
    for key in keys:
        if key not in ("sigma", "corruption"):
            raise unknown("key for evaluate", key, ("sigma", "corruption"))
    figures = measure(run, data, split=split, first=first, truth=truth, labels=labels, device=device, **keys)
    print_json(figures) if json else print_figures(figures)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="run folders")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PATH", help="the table as a page, .html; default: none")
    ] = None,
    force: Force = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """One table over runs; seeds of one recipe as mean ± sd."""
    from isthmus.verbs.compare import BEST
    from isthmus.verbs.compare import compare as stand_beside

    rows = stand_beside(runs, out=out, force=force, device=device)
    if json:
        print_json({"rows": rows})
    else:
        print_table(rows, BEST)
