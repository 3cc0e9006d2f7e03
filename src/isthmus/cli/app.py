"""The typer app, and the options that several commands share.

A command is a few lines: it reads the options, calls the function of the same name and prints the result.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from isthmus.errors import Reading

# The modules that define commands, in the order of `isthmus --help`, each with the title of its section there.
# cli/entry.py fills it from the registry of jobs.
SECTIONS: dict[str, str] = {}
ALWAYS = "Every command also takes -q, --quiet (nothing on stderr but errors) and --debug (errors with a traceback)."


Command = TypeVar("Command", bound=Callable[..., None])


class CommandSections(TyperGroup):
    """Lists the commands under the titles of SECTIONS."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, self.commands))
        rows: dict[str, list[tuple[str, str]]] = {}
        for module, title in SECTIONS.items():
            for name, command in self.commands.items():
                if command.callback is not None and command.callback.__module__ == module:
                    short = command.get_short_help_str(formatter.width - width - 6)
                    rows.setdefault(title, []).append((name.ljust(width), short))
        for title, commands in rows.items():
            with formatter.section(title):
                formatter.write_dl(commands)


class App(typer.Typer):
    def command(self, name: str | None = None, **keys: Any) -> Callable[[Any], Any]:
        return super().command(name, **{"epilog": ALWAYS, **keys})


app = App(
    cls=CommandSections,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train autoencoders of every classical type on your own data, and use them.",
    epilog="Options of a command: isthmus COMMAND --help.  A first try: isthmus demo",
)


def no_readings(json: bool) -> bool:
    if json:
        warnings.simplefilter("ignore", Reading)
    return json


def device_name(name: str | None) -> str | None:
    return "cuda" if name == "gpu" else name


def with_options(**shared: tuple[Any, Any]) -> Callable[[Command], Command]:
    """Decorator that adds shared options, name=(annotation, default), to a command, which gets them as **options."""
    added = [Parameter(k, Parameter.KEYWORD_ONLY, default=default, annotation=a) for k, (a, default) in shared.items()]

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        own = [one for one in signature.parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
        vars(command)["__signature__"] = signature.replace(parameters=[*own, *added])
        command.__annotations__.update({one.name: one.annotation for one in added})
        return command

    return decorate


RunPath = Annotated[
    Path, typer.Argument(metavar="RUN", help="a run folder written by train, or the name of a shipped model")
]
DataName = Annotated[
    str,
    typer.Argument(metavar="DATA", help="a built-in set (digits, mnist, fashion-mnist, ...), a folder, .npy, .csv ..."),
]
InputNames = Annotated[
    list[str], typer.Argument(metavar="INPUT", help="one or more image files, a glob pattern, or any DATA")
]
Out = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="PATH", help="output file (.png, .gif, .npy, .csv) or folder"),
]
Split = Annotated[
    str | None, typer.Option("--split", metavar="NAME", help="train, validation, test or all; default: all")
]
First = Annotated[int | None, typer.Option("--first", metavar="N", min=1, help="only the first N items; default: all")]
Force = Annotated[bool, typer.Option("--force", help="overwrite existing files")]
Json = Annotated[
    bool, typer.Option("--json", callback=no_readings, help="print one JSON object, and nothing else, on stdout")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="random seed")]
DEVICES = "auto (the fastest available), cpu, cuda (or gpu) or mps"
Device = Annotated[str, typer.Option("--device", metavar="NAME", callback=device_name, help=DEVICES)]
Devices = Annotated[int, typer.Option("--devices", metavar="N", min=1, help="processes on this machine")]
Nodes = Annotated[int, typer.Option("--nodes", metavar="N", min=1, help="number of machines")]
