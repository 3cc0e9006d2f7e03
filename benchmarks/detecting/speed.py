"""The cost of a detector relative to its network: whole folders with heatmaps, and single frames."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

import isthmus
from common import write
from interleaved import LOAD, LOADED, quiet
from isthmus.report import write_picture
from isthmus.types import Context, Sample

PICTURES, SIDE, TIMES = 256, 256, 3


def speed() -> None:
    quiet()
    began = time.perf_counter()
    random = np.random.default_rng(0)
    rough = random.normal(size=(PICTURES, SIDE, SIDE))
    smooth = gaussian_filter(rough, (0, 8, 1)) + 0.02 * rough  # like a ground surface: noise alone no PNG is made of
    frames = (128 + 200 * smooth).clip(0, 255).astype(np.uint8)
    rows = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        top = Path(folder)
        for number, frame in enumerate(frames):
            write_picture(top / "new" / f"{number}.png", frame[None])
        for kind in ("repairing", "denoising"):
            run = top / kind
            isthmus.train("detect", frames[:32], out=run, kind=kind, epochs=1, quiet=True, validation=0.4, test=0.0)
            model = isthmus.load(run)
            x = torch.from_numpy(frames[:, None].astype(np.float32) / 255)

            def net(model: isthmus.Autoencoder = model, x: torch.Tensor = x) -> None:
                with torch.no_grad():
                    for part in x.split(16):
                        model.predict(Sample.of(part), Context())

            def verb(model: isthmus.Autoencoder = model, kind: str = kind) -> None:
                isthmus.detect(model, top / "new", out=top / f"{kind}-report", force=True)

            def one_net(model: isthmus.Autoencoder = model, x: torch.Tensor = x) -> None:
                with torch.no_grad():
                    model.predict(Sample.of(x[:1]), Context())

            def one(model: isthmus.Autoencoder = model) -> None:
                model.detect(frames[0])

            alone, whole = interleaved_medians(net, verb, TIMES)
            frame_net, frame = interleaved_medians(one_net, one, 20 * TIMES)
            rows.append(
                {
                    "kind": kind,
                    "pictures_a_second": PICTURES / whole,
                    "of_the_net_alone": alone / whole,
                    "overhead_ms_a_frame": 1000 * (frame - frame_net),
                    "net_ms_a_frame": 1000 * frame_net,
                }
            )
    write(
        "anomaly-speed",
        f"{PICTURES} gray PNG of {SIDE}×{SIDE} from a folder to scores, heatmaps and a page, beside the net alone on "
        "the same numbers in memory; one frame by model.detect, beside the net alone; medians, in turns, the same net",
        rows,
        time.perf_counter() - began,
        load=LOAD,
        loaded=LOADED,
    )


def interleaved_medians(first: Callable[[], None], second: Callable[[], None], times: int) -> tuple[float, float]:
    """The median seconds of each, interleaved, after one of each that does not count."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(times + 1):
        for work, seconds in zip((first, second), found, strict=True):
            began = time.perf_counter()
            work()
            if number:
                seconds.append(time.perf_counter() - began)
    return median(found[0]), median(found[1])
