"""What all verbs share: the app, and the options that mean the same everywhere.

Each verb is a few lines in a file beside this one: read the options, call the function of the same name, print what it
returns.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

ALWAYS = "Every command also takes -q, --quiet (nothing on stderr but errors) and --debug (errors with a traceback)."


class App(typer.Typer):
    def command(self, name: str | None = None, **keys: Any) -> Callable[[Any], Any]:
        return super().command(name, **{"epilog": ALWAYS, **keys})


app = App(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Autoencoders of every classical type, on your own pictures: train one, then use it.",
    epilog="Every command: isthmus COMMAND --help.  To begin: isthmus demo",
)


def device_name(name: str | None) -> str | None:
    return "cuda" if name == "gpu" else name


RunPath = Annotated[
    Path, typer.Argument(metavar="RUN", help="a run folder, as train writes it, or the name of a shipped model")
]
DataName = Annotated[str, typer.Argument(metavar="DATA", help="digits, mnist, fashion-mnist, a folder, .npy, .csv ...")]
InputNames = Annotated[
    list[str], typer.Argument(metavar="INPUT", help="a picture, several, a pattern, or anything that DATA is")
]
Out = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="PATH", help="where the result goes: .png, .gif, .npy, .csv, or a folder"),
]
Split = Annotated[
    str | None, typer.Option("--split", metavar="NAME", help="train, validation, test or all; by default all")
]
First = Annotated[int | None, typer.Option("--first", metavar="N", min=1, help="only the first N items; default: all")]
Force = Annotated[bool, typer.Option("--force", help="overwrite existing files")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on stdout, and nothing else there")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="of everything random")]
DEVICES = "auto, cpu, cuda (or gpu), mps; auto is the fastest that is there"
Device = Annotated[str, typer.Option("--device", metavar="NAME", callback=device_name, help=DEVICES)]
Devices = Annotated[
    int, typer.Option("--devices", metavar="N", min=1, help="processes on this machine that share the work")
]
Nodes = Annotated[int, typer.Option("--nodes", metavar="N", min=1, help="machines that share the work")]
