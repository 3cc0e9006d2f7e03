"""What all verbs share: the app, and the options that mean the same everywhere.

Each verb is a few lines in a file beside this one: read the options, call the function of the same name, print what it
returns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Autoencoders of every classical type, on your own pictures: train one, then use it.",
    epilog="Every command: isthmus COMMAND --help.  To begin: isthmus demo",
)

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, as train writes it")]
DataName = Annotated[str, typer.Argument(metavar="DATA", help="digits, mnist, fashion-mnist, a folder, .npy, .csv ...")]
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
