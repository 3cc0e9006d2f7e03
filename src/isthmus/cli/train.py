"""The commands train, evaluate and compare."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.app import DEVICES, DataName, Device, First, Force, Json, RunPath, app, device_name
from isthmus.cli.output import print_closing, print_figures, print_json, print_lines, print_table, unused_path
from isthmus.cli.values import settings
from isthmus.errors import BadInput

OWN = "default: the recipe's own"
Masks = Annotated[
    str | None,
    typer.Option("--masks", metavar="PATH", help="segment: folder of masks, COCO or LabelMe JSON; default: in DATA"),
]


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="a recipe, as `isthmus recipes` lists them")],
    data: DataName,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="RUN", help="run folder; default: runs/RECIPE-DATE")
    ] = None,
    code: Annotated[str | None, typer.Option("--code", metavar="N|CxHxW", help=f"code size; {OWN}")] = None,
    loss: Annotated[
        str | None, typer.Option("--loss", metavar="NAME", help=f"bce, mse, gaussian, l1, categorical, ssim; {OWN}")
    ] = None,
    epochs: Annotated[float | None, typer.Option("--epochs", metavar="N", help=f"passes over the data; {OWN}")] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget", metavar="TIME", help="training time instead of --epochs, such as 90s, 10m or 2h; default: none"
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", metavar="N", help=f"items per step; {OWN}")] = None,
    lr: Annotated[float | None, typer.Option("--lr", metavar="F", help=f"learning rate; {OWN}")] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size",
            metavar="N",
            min=1,
            help="resize images to N×N; default: their own size, if it is the same for all",
        ),
    ] = None,
    gray: Annotated[bool, typer.Option("--gray", help="convert images to gray")] = False,
    validation: Annotated[
        float | None,
        typer.Option(
            "--validation", metavar="F", help=f"share of the data held back to choose the best weights; {OWN}"
        ),
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option("--truth", metavar="PATH", help="clean version of DATA, to train on pairs; default: none"),
    ] = None,
    masks: Masks = None,
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            metavar="COLUMN|CSV",
            help="table: column of the labels; images: table of file and label, as in labels.csv or labels.csv:COLUMN; "
            "default: recognized by its name; class folders",
        ),
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", metavar="COLUMN", help="table: leave out this column; default: none")
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar="COLUMN", help="table: keep a column of dates or row numbers; default: none"),
    ] = None,
    window: Annotated[
        int | None, typer.Option("--window", metavar="N", min=1, help="series: rows per item; default: 1")
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option("--stride", metavar="N", min=1, help="series: rows from one item to the next; default: --window"),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="any key that `isthmus recipes RECIPE` lists with its default"),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            "--groups",
            metavar="REGEX|CSV",
            help="keep files of a group (patient, slide, film) in one part: a regular expression on file names, or a "
            ".csv of file and group; default: none",
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            "--init", metavar="RUN", help="warm start from the weights of a run or a shipped model; default: none"
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", help="seed of initialization, splits, order and noise; default: 0"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="resume the training of RUN")] = False,
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
    nodes: Annotated[int | None, typer.Option("--nodes", metavar="N", help="number of machines; default: 1")] = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", metavar="NAME", help="ddp or fsdp; default: ddp")
    ] = None,
    json: Json = False,
) -> None:
    """Train a recipe on your data."""
    from isthmus.distributed import first_rank
    from isthmus.jobs import job_of
    from isthmus.recipes import find
    from isthmus.verbs.train import train as train_run

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
        "masks": masks,
        "groups": groups,
        "init": init,
        "resume": resume,
    }
    for key in run_of:
        if key in keys:
            raise BadInput(f"--set {key}: is the option --{key}")
    named_out, out = out, out or run_folder(recipe, resume, keys)
    try:
        run = train_run(recipe, data, out=out, **run_of, **keys)
    except KeyboardInterrupt:
        if named_out is None and out.exists():  # the user has not seen this name yet
            print_closing(f"Run folder: {out}")
        raise
    if not first_rank():
        return
    check = job_of(run.model).self_check(run.model)
    if json:
        print_json(
            {
                "run": str(out),
                "status": run.finished,
                **run.metrics,
                "beside": run.baselines or None,
                **({"self_check": check} if check else {}),
            }
        )
    else:
        print_lines({"status": run.finished, **run.readable})
        if run.baselines:
            print(run.baselines["verdict"])
        if run.self_check:
            print(run.self_check)
        steps = job_of(run.model).next_steps(run.model, find(recipe).name, out, data, truth or masks)
        print_closing(f"Results: {out}/index.html. Next:", *steps)


def run_folder(recipe: str, resume: bool, keys: Mapping[str, Any]) -> Path:
    """The first unused runs/RECIPE-DATE. Raises BadInput if several processes would have to agree on it."""
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
        typer.Option("--truth", metavar="PATH", help="clean version of DATA; default: DATA is taken as clean"),
    ] = None,
    masks: Masks = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="sigma or corruption to degrade DATA; default: as in training",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="CSV", help="detect: columns file and label of images; default: by folders"),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="NAME", help="train, validation, test or all; default: test, if there is one"),
    ] = None,
    first: First = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Measure a run on data, by default on its test split."""
    from isthmus.errors import unknown
    from isthmus.verbs.evaluate import evaluate as evaluate_run

    keys = settings(set_ or [], {})
    for key in keys:
        if key not in ("sigma", "corruption"):
            raise unknown("key for evaluate", key, ("sigma", "corruption"))
    figures = evaluate_run(
        run, data, split=split, first=first, truth=truth, masks=masks, labels=labels, device=device, **keys
    )
    skipped = figures.pop("skipped", [])  # a note names the first ones
    print_json(figures | {"skipped": skipped}) if json else print_figures(figures)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="run folders")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="PATH", help="also write the table as an HTML page; default: none"),
    ] = None,
    force: Force = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Compare runs in one table; seeds of one recipe as mean ± sd."""
    from isthmus.verbs.compare import BEST
    from isthmus.verbs.compare import compare as compare_runs

    rows = compare_runs(runs, out=out, force=force, device=device)
    if json:
        print_json({"rows": rows})
    else:
        print_table(rows, BEST)
