"""Small metal parts at any angle: CC0 logos as relief of round parts, rendered on a textured ground.

A set is one part, made `LEARNED` times without a fault, and judged on others without and with one: a scratch, a dent, a
missing piece. Angle, place, light, ground and noise of the camera are drawn for each picture; a seed says all. The mask
is where a picture differs from the same one without its fault.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import binary_dilation, gaussian_filter

import isthmus
from common import write
from detecting.tiles import POOLS, baseline_rows, evaluated

UNSEEN = 72  # of the logos by name the first that nothing was chosen by; development was on number 7
DATA, RUN = Path("runs/anomaly-parts-data"), Path("runs/anomaly-parts")  # relative to where it is run
LEARNED, GOOD, BAD = 200, 60, 30  # pictures to learn from; to judge: without a fault, and with one of each kind
SIDE, ACROSS = 256, 150  # pixels of a picture, and of a part
SEEN = 8  # gray levels from which on a change belongs to the mask
DEEP = 1.2  # the relief, in pixels
Random = np.random.Generator
Part = tuple[np.ndarray, np.ndarray]  # height and cover, SIDE×SIDE, in [0, 1]
Fault = Callable[[Part, Random], Part]


def split_folders(logo: Path, top: Path, seed: int) -> None:
    """train/good, test/KIND and ground_truth/KIND, as MVTec's are. The same files for the same seed."""
    for part, kind, count in (("train", "good", LEARNED), ("test", "good", GOOD), *(("test", k, BAD) for k in FAULTS)):
        folder = top / part / kind
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            key = [seed, ("train", "test").index(part), ("good", *FAULTS).index(kind), number]
            picture, mask = taken(logo, np.random.default_rng(key), FAULTS.get(kind))
            Image.fromarray(picture).save(folder / f"{number:03}.png")
            if kind != "good":
                shown = top / "ground_truth" / kind / f"{number:03}_mask.png"
                shown.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(shown)


def taken(logo: Path, random: Random, fault: Fault | None) -> tuple[np.ndarray, np.ndarray]:
    """A picture, uint8 SIDE×SIDE, and the mask of its fault, 0 or 255."""
    part = placed(logo, random)
    scene = int(random.integers(2**31))
    clean = photo(part, np.random.default_rng(scene))
    if fault is None:
        return clean, np.zeros_like(clean)
    for _ in range(20):  # until it shows
        found = photo(fault(part, random), np.random.default_rng(scene))
        changed = np.abs(found.astype(int) - clean) > SEEN
        if changed.sum() >= 25:
            break
    return found, binary_dilation(changed).astype(np.uint8) * 255


def placed(logo: Path, random: Random) -> Part:
    """The relief of a part at some angle and place."""
    image = Image.open(logo).convert("RGBA")
    side, angle, scale = image.width, random.uniform(0, 2 * np.pi), image.width / (ACROSS * random.uniform(0.98, 1.02))
    middle = (SIDE - 1) / 2 + random.uniform(-24, 24, 2)
    a, b = np.cos(angle) * scale, np.sin(angle) * scale
    half = (side - 1) / 2
    matrix = (a, b, half - a * middle[0] - b * middle[1], -b, a, half + b * middle[0] - a * middle[1])
    red, green, blue, alpha = (
        np.asarray(one.transform((SIDE, SIDE), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC), float) / 255
        for one in image.split()
    )
    light = 0.3 * red + 0.59 * green + 0.11 * blue
    inside = light[alpha > 0.9]
    low, high = np.quantile(inside, (0.05, 0.95))
    return ((light - low) / max(high - low, 0.1)).clip(0, 1) * alpha, alpha


def photo(part: Part, random: Random) -> np.ndarray:
    """What a camera makes of it: light from any side, a ground that differs each time, and noise."""
    height, cover = part
    relief = gaussian_filter(DEEP * (1.5 * cover + height), 0.8)
    down, right = np.gradient(relief)
    azimuth, steep = random.uniform(0, 2 * np.pi), random.uniform(0.5, 0.8)
    facing = (steep - (np.cos(azimuth) * right + np.sin(azimuth) * down)) / np.sqrt(1 + down**2 + right**2)
    grain = gaussian_filter(random.normal(size=cover.shape), (0.6, 0.6)) * 0.03
    metal = 0.35 * facing + 0.5 * facing.clip(0) ** 4 + 0.25 + 0.06 * height + grain
    rough = random.normal(size=cover.shape)
    ground = random.uniform(0.2, 0.32) + 0.25 * gaussian_filter(rough, 2) + 0.1 * gaussian_filter(rough, 0.7)
    shift = np.round(3 * np.array([np.sin(azimuth), np.cos(azimuth)])).astype(int)
    shadow = 1 - 0.5 * gaussian_filter(np.roll(cover, tuple(shift), (0, 1)), 2)
    seen = cover * metal + (1 - cover) * ground * shadow
    across = np.linspace(-0.5, 0.5, SIDE)
    slope = random.normal(0, 0.1, 2)
    seen = seen * random.uniform(0.85, 1.15) * (1 + slope[0] * across[:, None] + slope[1] * across)
    noisy = gaussian_filter(seen, 0.5) + random.normal(0, 0.01, cover.shape)
    return np.asarray((noisy.clip(0, 1) * 255).round(), np.uint8)


def somewhere(cover: np.ndarray, random: Random) -> np.ndarray:
    """A place on the part: (down, right)."""
    places = np.argwhere(cover > 0.9)
    return np.asarray(places[random.integers(len(places))], float)


def drawn(draw: Callable[[ImageDraw.ImageDraw], None], soft: float) -> np.ndarray:
    image = Image.new("L", (SIDE, SIDE))
    draw(ImageDraw.Draw(image))
    return gaussian_filter(np.asarray(image, float) / 255, soft)


def scratch(part: Part, random: Random) -> Part:
    """A bent groove, 25 to 80 pixels long."""
    height, cover = part
    points, angle = [somewhere(cover, random)], random.uniform(0, 2 * np.pi)
    for _ in range(random.integers(5, 16)):
        angle += random.normal(0, 0.15)
        points.append(points[-1] + 5 * np.array([np.sin(angle), np.cos(angle)]))
    line, width = [(right, down) for down, right in points], int(random.integers(1, 4))
    groove = drawn(lambda draw: draw.line(line, fill=255, width=width), 0.5)
    return height - random.uniform(1, 2) * groove * cover, cover


def dent(part: Part, random: Random) -> Part:
    """A hollow or a bump, 8 to 24 pixels wide."""
    height, cover = part
    down, right = somewhere(cover, random)
    reach = random.uniform(4, 12)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    hollow = np.exp(-2 * (((rows - down) ** 2 + (columns - right) ** 2) / reach**2))
    return height + random.choice([-1, 1]) * random.uniform(0.15, 0.3) * reach * hollow * cover, cover


def missing(part: Part, random: Random) -> Part:
    """A piece broken off the rim, or a part of the relief that is not there, 12 to 36 pixels wide."""
    height, cover = part
    rim = random.random() < 0.5
    edge = cover * (1 - gaussian_filter(cover, 4)) > 0.3 if rim else cover > 0.9
    down, right = somewhere(edge.astype(float), random)
    turns = np.arange(0, 2 * np.pi, 0.6)
    reach = random.uniform(6, 18) * random.uniform(0.6, 1.2, len(turns))
    corners = [(right + r * np.cos(t), down + r * np.sin(t)) for r, t in zip(reach, turns, strict=True)]
    hole = drawn(lambda draw: draw.polygon(corners, fill=255), 0.5)
    return (height * (1 - hole), cover * (1 - hole)) if rim else (height * (1 - hole), cover)


FAULTS: dict[str, Fault] = {"scratch": scratch, "dent": dent, "missing": missing}


def parts(name: str = "parts", **keys: Any) -> None:
    """The default, or other keys, on a part that nothing was chosen by."""
    began = time.perf_counter()
    logos = sorted((Path(os.environ.get("ISTHMUS_DATA", "data")) / "logos_cc0").glob("*.png"))
    split_folders(logos[UNSEEN], DATA, seed=0)
    run = RUN.with_name(f"anomaly-{name}")
    isthmus.train("detect", DATA, out=run, resume=True, seed=0, **keys)
    given = ", ".join(f"{key}={value}" for key, value in keys.items()) or "defaults"
    write(
        f"anomaly-{name}",
        f"Parts rendered from logo {UNSEEN} by name, {SIDE}×{SIDE}, at any angle, place and light: {LEARNED} to learn "
        f"from, {GOOD} good and {BAD} each with a scratch, a dent and a missing piece to judge; {given}; one seed. "
        f"{POOLS}",
        [{"model": "isthmus detect", **evaluated(DATA, run)}, *baseline_rows(DATA)],
        time.perf_counter() - began,
    )
