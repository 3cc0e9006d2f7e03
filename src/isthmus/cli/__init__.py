"""The command line: one command for each verb of a job, and the commands that serve every job."""

from __future__ import annotations


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with the codes of isthmus.cli.entry.main; arguments: sys.argv[1:] if None."""
    from isthmus.cli.entry import main as run

    run(arguments)
