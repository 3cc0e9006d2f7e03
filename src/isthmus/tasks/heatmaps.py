"""Heatmaps of a folder, drawn while the net looks at what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from isthmus.data import Data, peek
from isthmus.detection import Finding
from isthmus.errors import BadInput
from isthmus.report import as_pictures
from isthmus.report.heat import heated
from isthmus.report.pictures import QUICK, to_image
from isthmus.tasks.outputs import unique

SHOWN = 24  # of the worst
Worst = tuple[float, list[Image.Image], str]


class Heatmaps:
    """heatmaps/NAME.png for each item of `data`, by several threads; the worst are kept for a page.

    stretched: whether each side was made to fit by itself; a heatmap then has the proportions of its file.
    """

    def __init__(self, level: float, folder: Path, data: Data, stretched: bool) -> None:
        self.level, self.folder, self.source = level, folder / "heatmaps", data.source if stretched else {}
        files = unique([f"{Path(name).with_suffix('.png')}" for name in data.names])
        self.names = iter(zip(data.names, files, strict=True))
        self.pool, self.worst, self.jobs = ThreadPoolExecutor(), list[Worst](), list[Future[Worst]]()

    def __enter__(self) -> Heatmaps:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def add(self, x: Tensor, found: Finding, told: Sequence[tuple[float, str]]) -> None:
        """The next of the items, N×C×H×W, what was found of them, and the score and caption of each.

        Waits for what was added before, so that memory stays bounded.
        """
        self.done()
        # Each gets its name here, in the order of the items.
        every = zip(as_pictures(x), found.map.numpy(), told, self.names, strict=False)
        self.jobs = [self.pool.submit(self.draw, *one) for one in every]

    def draw(self, picture: np.ndarray, seen: np.ndarray, told: tuple[float, str], names: tuple[str, str]) -> Worst:
        shown = [to_image(picture), heated(picture, seen, self.level)]
        size = self.proportions(names[0], shown[0].size)
        if size != shown[0].size:
            shown = [one.resize(size, Image.Resampling.NEAREST) for one in shown]
        path = self.folder / names[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        shown[1].save(path, **QUICK)
        return told[0], shown, told[1]

    def proportions(self, name: str, size: tuple[int, int]) -> tuple[int, int]:
        """Width and height in the proportions of the file, its longer side as long as that of `size`."""
        kind, path = self.source.get("kind"), Path(self.source.get("path", ""))
        if kind not in ("folder", "file"):
            return size
        try:
            header = peek(path / name if kind == "folder" else path)
        except (BadInput, OSError):
            return size
        scale = max(size) / max(header.width, header.height)
        return max(1, round(scale * header.width)), max(1, round(scale * header.height))

    def done(self) -> list[Worst]:
        """The worst of all that was added: score, the picture with and without heat, and what to say of it."""
        self.worst += [job.result() for job in self.jobs]
        self.jobs, self.worst = [], sorted(self.worst, key=lambda one: -one[0])[:SHOWN]
        return self.worst
