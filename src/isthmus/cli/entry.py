"""Entry point of the command line: runs one command and reports an error as one line on stderr."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, suppress
from importlib import import_module
from typing import Any

from isthmus.cli.threads import yield_busy_cores
from isthmus.distributed import ProcessLost, connected, first_rank
from isthmus.errors import IsthmusError, Note
from isthmus.files import OUTPUT_BEGAN

STOPPED = 130
FLAGS = {"--debug": "debug", "-q": "quiet", "--quiet": "quiet"}  # accepted by every command, in any position
TRAIN, SHARE = "Train and evaluate", "Share"


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit: 0 success, 1 internal error, 2 bad input or options, 130 Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:  # this process is the command, and no other program's
        _end_at_once(given)
    yield_busy_cores()
    flags = {FLAGS[argument] for argument in given if argument in FLAGS}
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show × and █ gets ? instead of an error
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    warnings.showwarning = _one_line
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", Note)
    try:
        with _silence() if "quiet" in flags else nullcontext():
            code = _run([argument for argument in given if argument not in FLAGS] or ["--help"])
        if sys.stdout is not None:
            sys.stdout.flush()
    except BaseException as error:
        if "debug" in flags and not isinstance(error, SystemExit):
            raise
        code = _report(error)
    if code == STOPPED:
        _say_stopped(given)
        if connected():
            _exit_at_once(code)
    sys.exit(code)


def _exit_at_once(code: int) -> None:
    """End a stopped rank: at the usual exit, threads of a process group whose other ranks have ended may abort it with
    a message of C++."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def _end_at_once(given: list[str]) -> None:
    """Let Ctrl-C end the process at once until output begins, and raise KeyboardInterrupt from then on.

    During set-up an exception would wait for imports and threads to finish; within the import of torch it even aborts
    the process with a message of C++. A forked child ends without a message.
    """
    process = os.getpid()

    def handle(number: int, frame: Any) -> None:
        if OUTPUT_BEGAN.is_set():
            raise KeyboardInterrupt
        if os.getpid() == process:
            _say_stopped(given)
        os._exit(STOPPED)

    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, handle)


def _say_stopped(given: list[str]) -> None:
    if not first_rank():
        return
    named = any(argument.startswith(("--out", "-o")) for argument in given)
    options = "--resume" if named else "--resume and --out RUN"
    hint = f"; the same command with {options} continues the run" if given[:1] == ["train"] else ""
    hint = "; the same command continues the fit of a prior" if given[:1] == ["generate"] else hint
    print(f"isthmus: stopped{hint}", file=sys.stderr, flush=True)


@contextmanager
def _silence() -> Iterator[None]:
    """Drop notes, progress and closing lines; errors are reported after this context has ended."""
    with open(os.devnull, "w", encoding="utf-8") as null, redirect_stderr(null):
        yield


def _run(arguments: list[str]) -> int:
    from isthmus.cli.app import SECTIONS, app
    from isthmus.jobs import all_jobs

    SECTIONS |= {"isthmus.cli.show": TRAIN, "isthmus.cli.train": TRAIN}
    SECTIONS |= {job.commands: job.title for job in all_jobs().values()}
    SECTIONS |= {"isthmus.cli.share": SHARE}
    for module in SECTIONS:
        import_module(module)  # registers its commands
    return app(arguments, prog_name="isthmus", standalone_mode=False) or 0


def _report(error: BaseException) -> int:
    """Print the error in one line; return the exit code."""
    if isinstance(error, SystemExit):
        return int(error.code or 0)
    if isinstance(error, KeyboardInterrupt):
        return STOPPED
    if isinstance(error, BrokenPipeError):
        return 0
    if hasattr(error, "format_message"):  # a wrong command or option
        return _line(error.format_message(), 2)
    if isinstance(error, ProcessLost):
        return _line(str(error), STOPPED)
    if isinstance(error, IsthmusError):
        return _line(str(error), 2)
    if isinstance(error, OSError) and (error.filename is not None or error.errno == errno.ENOSPC):
        return _line(f"{error.filename or 'output'}: {(error.strerror or str(error)).lower()}", 2)
    if (
        isinstance(error, (MemoryError,))
        or "not enough memory" in str(error)
        or "out of memory" in str(error)
        or "allocate memory" in str(error)
    ):
        return _line("out of memory: a smaller --batch-size or --size may help", 2)
    text = str(error).strip().splitlines()
    return _line(f"internal error ({type(error).__name__}: {text[0] if text else ''}); --debug prints the traceback", 1)


def _line(text: str, code: int) -> int:
    print("isthmus: " + " ".join(text.split()), file=sys.stderr)
    return code


def _one_line(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
    if first_rank():  # all processes raise the same notes; one prints them
        print(f"isthmus: note: {message}", file=sys.stderr)
