"""Tar files, a server, and helpers of the tests of shards."""

from __future__ import annotations

import functools
import json
import threading
from collections import Counter
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.data import open_data
from isthmus.data import shards as module


def names_of(packed: Path) -> list[str]:
    """The members of all shards in the order of the items."""
    return [name for tar in sorted(packed.glob("*.tar")) for name, _, _ in module.members_of(tar)]


def same_as_folder(packed: Path, folder: Path, **asked: Any) -> None:
    ours, theirs = open_data(packed, **asked), open_data(folder, **asked)
    assert (len(ours), ours.shape, ours.dtype, ours.range) == (len(theirs), theirs.shape, theirs.dtype, theirs.range)
    names = names_of(packed)
    assert sorted(names) == sorted(theirs.names)
    rows = [list(theirs.names).index(name) for name in names]
    assert torch.equal(ours.batch(np.arange(len(ours))), theirs.batch(rows))


def index(packed: Path) -> dict[str, Any]:
    return json.loads((packed / "index.json").read_text())


class Server:
    """A folder behind http on this machine. `asked` counts the files that were sent; `cut` sends half of each."""

    def __init__(self, folder: Path) -> None:
        self.asked: Counter[str] = Counter()
        self.cut = False
        server = self

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def copyfile(self, source: Any, outputfile: Any) -> None:
                server.asked[self.path.lstrip("/")] += 1
                data = source.read()
                outputfile.write(data[: len(data) // 2] if server.cut else data)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
