"""Who stands in a table: our models, the classical peers, what was published; and how an output is scored."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from common import write
from interleaved import Absent, answer, environment, script
from isthmus import load, metrics
from isthmus.inference.image import restore_array as in_tiles
from isthmus.media.image_reader import read_picture
from isthmus.models import CARD, folder_of, names
from overlap import TESTED, without

DATA = Path(os.environ.get("ISTHMUS_DATA", "data"))
PYTHON = Path(__file__).parents[2] / ".peers" / "restoration" / "bin" / "python"
SHIPPED = (
    "denoise-gray",
    "denoise-color",
    "upscale-2",
    "upscale-3",
    "upscale-4",
    "inpaint",
    "unwatermark",
    "xray",
    "denoise-real",
)
Pictures = list[np.ndarray]  # each C×H×W, float64 in [0, 1]
Method = tuple[str, dict[str, Any]]  # a function of peers/restore.py and its options
Row = dict[str, Any]


class Net(NamedTuple):
    """A model, and whether it sees a picture in all eight ways to turn it."""

    model: Any
    best: bool = False


@dataclass
class Comparison:
    """One part: who takes part, and the rows as they come; without all of them nothing is written at the end.

    runs: NAME -> run folder, from --model. The name of a shipped model stands for that one, any other is a row more,
    and "" is the part's own model.
    """

    part: str
    runs: dict[str, str] = field(default_factory=dict)
    peers: bool = True
    quick: bool = False
    best: bool = False
    rows: list[Row] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    carded: list[str] = field(default_factory=list)

    def few(self, items: Sequence[Any], count: int = 2) -> list[Any]:
        """All of them; with --quick the first."""
        return list(items[:count] if self.quick else items)

    def add(self, model: str, **figures: Any) -> Row:
        """One more row, on the screen at once."""
        self.rows.append({"model": model, **figures})
        print("  ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in self.rows[-1].values()), flush=True)
        return self.rows[-1]

    def check(self, figure: float, published: float, what: str) -> None:
        """The protocol is the published one, or nothing is worth comparing. Stops where it is not."""
        if not self.quick and abs(figure - published) > 0.02:
            raise SystemExit(f"{what}: {figure:.3f} here, {published} published, so the protocol differs")

    def lacks(self, what: str) -> None:
        if what not in self.missing:
            self.missing.append(what)
            print(what, flush=True)

    def models(self, name: str) -> dict[str, Net]:
        """The model of that name, from --model or shipped, and whoever else was named; says so where it is missing."""
        runs = {other: run for other, run in self.runs.items() if other and other not in SHIPPED}
        given = self.runs.get(name) or self.runs.get("")
        if given:
            runs = {name: given, **runs}
        there = {label: load(run) for label, run in runs.items()}
        if not given and self.shipped(name):
            there = {name: load(folder_of(name)), **there}
            if (commercial := f"{name}-cc") in names():  # learned from pictures of free licences alone
                there[commercial] = load(folder_of(commercial))
                self.carded.append(commercial)
        nets = {label: Net(model.to(DEVICE).eval()) for label, model in there.items()}
        bests = {f"{label} --best": Net(model, True) for label, (model, _) in nets.items() if self.best}
        return nets | bests

    def shipped(self, name: str) -> bool:
        """Whether a model of that name is shipped; then its figures go onto its card."""
        if name not in names():
            self.lacks(f"no model {name} yet; --model {name}=RUN gives one")
            return False
        self.carded.append(name)
        return True

    def run_peers(self, methods: Sequence[Method], pictures: Pictures, holes: Pictures | None = None) -> list[Pictures]:
        """What each peer makes of the pictures, rounded to 8 bits; nothing without peers, which is said."""
        if not self.peers:
            self.lacks("no peers")
            return []
        with tempfile.TemporaryDirectory() as folder:
            job, out = Path(folder) / "job.npz", Path(folder) / "out.npz"
            arrays = {f"x{i}": picture for i, picture in enumerate(pictures)}
            arrays |= {f"m{i}": hole for i, hole in enumerate(holes or [])}
            np.savez(job, runs=json.dumps(methods), **arrays)
            try:
                said = answer(script("restore", job, out, python=str(PYTHON)), environment(gpu=False))
            except Absent as reason:
                self.lacks(f"no {', '.join(name for name, _ in methods)} ({reason})")
                return []
            self.versions = said["versions"]
            with np.load(out) as done:
                return [[done[f"y{run}-{i}"] / 255 for i in range(len(pictures))] for run in range(len(methods))]

    def end(self, protocol: str, seconds: float, **more: Any) -> None:
        if self.quick:
            self.lacks("two pictures a set")
        if self.missing:
            print(f"nothing is written: {'; '.join(self.missing)}", flush=True)
        else:
            write(f"restoration-{self.part}", protocol, self.rows, seconds, peers=self.versions, **more)
            for name in self.carded:
                self.onto_card(name)

    def onto_card(self, name: str) -> None:
        """The figures of a shipped model go onto its card."""
        own = [row for row in self.rows if name in row["model"].replace(",", "").split()]
        path = folder_of(name) / CARD
        card = json.loads(path.read_text(encoding="utf-8"))
        card["figures"] = {**card.get("figures", {}), self.part: own}
        path.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def files(folder: str) -> list[Path]:
    """The pictures of a set in the order of their names, by their bytes and not by anyone's language."""
    found = sorted(path for path in (DATA / folder).glob("*") if path.suffix in (".png", ".bmp", ".jpg"))
    if not found:
        raise SystemExit(f"{DATA / folder}: no pictures; ISTHMUS_DATA names the folder of the data sets")
    return found


def read(path: Path, gray: bool = False) -> np.ndarray:
    """C×H×W float64 in [0, 1]: the numbers of the file over 255. gray: the mean of colors by BT.601, in 8 bits."""
    picture = read_picture(path) / 255
    if gray and len(picture) == 3:
        picture = in_bytes(np.tensordot([[0.299, 0.587, 0.114]], picture, 1))
    return picture


def restored(net: Net, picture: np.ndarray, hole: np.ndarray | None = None) -> np.ndarray:
    """C×H×W as the verbs restore it (the same tiles, the same care for gray and color), rounded to 8 bits."""
    return found(net, picture, hole)[0]


def found(net: Net, picture: np.ndarray, hole: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """The same, and where the model says that it changed the picture, 1×H×W bool; None for everywhere."""
    model, best = net
    if not (getattr(model.encoder, "any_size", True) and getattr(model.bottleneck, "any_size", True)):
        return in_bytes(_in_blocks(model, picture)), None
    pixels = picture.transpose(1, 2, 0).astype(np.float32)
    y, changed = in_tiles(model, pixels, hole=None if hole is None else hole[0], best=best)
    return in_bytes(y.transpose(2, 0, 1).astype(np.float64)), None if changed is None else changed[None]


def _in_blocks(model: Any, picture: np.ndarray) -> np.ndarray:
    """A model that takes one size has the picture in blocks of it."""
    height, width = picture.shape[1:]
    high, wide = model.shape[1:]
    x = np.pad(picture, ((0, 0), (0, -height % high), (0, -width % wide)), mode="edge")
    rows, columns = x.shape[1] // high, x.shape[2] // wide
    blocks = x.reshape(len(x), rows, high, columns, wide).transpose(1, 3, 0, 2, 4).reshape(-1, len(x), high, wide)
    y = torch.cat([model.restore(part.to(DEVICE)).cpu() for part in torch.from_numpy(blocks).float().split(64)])
    y = y.double().numpy().reshape(rows, columns, len(x), high, wide).transpose(2, 0, 3, 1, 4).reshape(x.shape)
    return y[:, :height, :width]


def in_bytes(picture: Any) -> Any:
    """Cut to [0, 1] and rounded to 8 bits, as it would be saved; an array or a tensor."""
    return (255 * picture.clip(0, 1)).round() / 255


Measure = Callable[..., Tensor]  # N×C×H×W, N×C×H×W ... -> [N]


def each(measure: Measure, *pictures: Iterable[np.ndarray]) -> list[float]:
    """A figure of isthmus.metrics for every picture; `pictures`: the outputs, the truths, the masks if need be."""
    return [float(measure(*(torch.from_numpy(a)[None] for a in group))) for group in zip(*pictures, strict=True)]


def means(figure: str, paths: Sequence[Path], values: Sequence[float]) -> dict[str, float]:
    """The mean over the pictures at `paths`; where some were trained on, NAME_apart too, the mean without them."""
    apart = [v for path, v in zip(paths, values, strict=True) if without(TESTED, path.parent.name, [path])]
    return {figure: fmean(values)} | ({f"{figure}_apart": fmean(apart)} if 0 < len(apart) < len(values) else {})


def psnr(*pictures: Iterable[np.ndarray]) -> float:
    return fmean(each(metrics.psnr, *pictures))


def ssim(*pictures: Iterable[np.ndarray]) -> float:
    return fmean(each(metrics.ssim, *pictures))
