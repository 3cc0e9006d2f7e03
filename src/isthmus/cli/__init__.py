"""The command line: one command for each verb of a job, and for what is the same for every job."""

from __future__ import annotations


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit, with the exit codes of CLI.md; `arguments`: those of the process where None."""
    from isthmus.cli.entry import main as run

    run(arguments)
