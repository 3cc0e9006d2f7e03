"""Ctrl-C on the command line: before the first output it ends the process at once, then it raises KeyboardInterrupt.

During set-up there is nothing to clean up, while an exception would wait for imports and threads to finish; a
KeyboardInterrupt within the import of torch even aborts the process with a message of C++.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

_writing = threading.Event()


def end_at_once(report: Callable[[], object], code: int) -> None:
    """Until output_begins, Ctrl-C calls `report` and ends the process with `code`; a forked child ends silently."""
    process = os.getpid()

    def handle(number: int, frame: Any) -> None:
        if _writing.is_set():
            raise KeyboardInterrupt
        if os.getpid() == process:
            report()
        os._exit(code)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handle)


def output_begins() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt, so that temporary files are removed."""
    _writing.set()
