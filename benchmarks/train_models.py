"""Train the shipped models and pack them: python benchmarks/train_models.py NAME ... [--out RUNS]

Each is one `isthmus train` on the data of its entry in ISTHMUS_DATA, which are training sets only; the run is an
ordinary one and resumes. Packed are its weights in half precision, the config, and a card with its data, duration and
machine. benchmarks/restoration.py, the only script that evaluates test sets, adds figures to the card. Two more models
are trained for comparison there (`plain=RUN`).
"""

from __future__ import annotations

import argparse
import json
import os
import time
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from common import machine
from dead_leaves import rendered
from isthmus import store
from isthmus.files import atomic
from isthmus.models import CARD, FOLDER
from isthmus.verbs.train import train
from overlap import LEARNED, without

BSDS = "BSDS500: research and education"
DATA = Path(os.environ.get("ISTHMUS_DATA", "data"))
PHOTOS = (("bsd400_color", 400), ("t91", 91))


@dataclass(frozen=True)
class Plan:
    """How a shipped model comes to be: a recipe with its keys on sets of pictures, and what the card has to say.

    sets: a folder, and how many of its files by name; the others are kept for the test. init: the model whose weights
    it begins with, where they fit, or A+B for the mean of two (Wortsman et al. 2022). LOGOS in a key is the folder of
    logos that are learned from, the first `logos` by name. shipped: or else it only stands beside one that is, in a
    table, or another begins with it. variants: what is
    made of each picture beside it: vivid (other hues, stronger colors), gray. leaves: rendered pictures learned from.
    """

    recipe: str
    use: str
    sets: tuple[tuple[str, int], ...]
    licence: str
    epochs: float
    init: str | None = None
    keys: dict[str, Any] = field(default_factory=dict)
    shipped: bool = True
    logos: int = 72
    variants: tuple[str, ...] = ()
    leaves: int = 0


def enlarging(scale: int, epochs: int, init: str | None = None) -> Plan:
    keys = {"scale": scale, "gray": True}
    use = f"photos, {scale} times as wide and high"
    return Plan("upscale", use, PHOTOS, f"{BSDS}; T91: none stated", epochs, init, keys)


def harmless(epochs: float, init: str, shipped: bool = True, **keys: Any) -> Plan:
    """From a net that finds a mark in every picture one that leaves those without one alone.

    The last 40 and 6 of the pictures and 8 of the logos are left to choose on how sure it has to be.
    """
    sets = (("bsd400_color", 360), ("photos_cc", 12))
    licence = f"{BSDS}; photos_cc: CC0, CC BY and CC BY-SA; the logos are CC0 (trade marks remain)"
    keys = {"overlay": "LOGOS", "ease": 0.0, "schedule": "constant", "warmup": 0.0, "lr": 4e-4} | keys
    use = "logos, words and shapes laid over photos"
    return Plan("unwatermark", use, sets, licence, epochs, init, keys, shipped, logos=64)


def real(epochs: float, init: str, shipped: bool = True, **keys: Any) -> Plan:
    """From white noise to that of cameras and to JPEG, of color and of gray pictures.

    The last 16, 2, 2 and 16 of the pictures are left to choose with. denoise-real-begun was stopped in its 13th epoch.
    """
    sets = (("bsd400_color", 383), ("photos_cc", 16), ("t91", 89), ("train400", 191))
    licence = f"{BSDS}; photos_cc: CC0, CC BY and CC BY-SA; T91: none stated"
    keys = {"corruption": CAMERA} | keys
    use = "photos with the noise of cameras, and JPEG"
    return Plan("denoise", use, sets, licence, epochs, init, keys, shipped)


def commercial(use: str, epochs: float, init: str | None = None, **keys: Any) -> Plan:
    """From photos whose licences allow any use, and from rendered pictures; the last two photos choose."""
    licence = "photos_cc: CC0, CC BY and CC BY-SA; the rest is rendered: commercial use is allowed"
    keys = {"corruption": CLIPPED, "channels": "48,96,192", "batch_size": 16} | keys
    return Plan("denoise", use, (("photos_cc", 16),), licence, epochs, init, keys, variants=("vivid",), leaves=160)


CLIPPED = "gaussian:0-0.2157,gaussian:0-0.2157,gaussian:0-0.2157+clipped"
CAMERA = "camera,camera+jpeg:40-95,jpeg:5-60,cropped-jpeg:5-95"
PLANS = {
    "denoise-color-cc": commercial("photos with white noise of σ 0-55, for commercial use, too", 8),
    "denoise-gray-cc": commercial(
        "gray pictures with white noise of σ 0-55, for commercial use, too", 1, "denoise-color-cc", gray=True
    ),
    "denoise-real-cc": commercial(
        "photos with the noise of cameras, and JPEG, for commercial use, too", 2, "denoise-color-cc", corruption=CAMERA
    ),
    "denoise-gray": Plan("denoise", "gray pictures with white noise of σ 0-55", (("train400", 400),), BSDS, 551),
    "upscale-2": enlarging(2, 12),
    "upscale-3": enlarging(3, 4, "upscale-2"),
    "upscale-4": enlarging(4, 4, "upscale-2"),
    "denoise-color": Plan("denoise", "photos with white noise of σ 0-55", PHOTOS[:1], BSDS, 12, "denoise-gray"),
    "denoise-real-begun": real(24, "denoise-color", shipped=False),
    "denoise-real": real(6, "denoise-real-begun", lr=1e-3),
    "inpaint": Plan("inpaint", "holes in photos: pixels, lines, text, boxes", PHOTOS[:1], BSDS, 40, "denoise-color"),
    "unwatermark-marked": Plan(
        "unwatermark",
        "logos, words and shapes laid over photos, each of which has one",
        PHOTOS[:1],
        f"{BSDS}; the logos are CC0 (trade marks remain)",
        30,
        None,
        {"overlay": "LOGOS", "unmarked": 0.0, "objects": 0.0},
        shipped=False,
    ),
    "unwatermark-harmless": harmless(6.7, "unwatermark-marked", shipped=False),
    "unwatermark-words": harmless(5.6, "unwatermark-harmless", shipped=False, crop=128, lr=5e-4),
    "unwatermark": harmless(2.5, "unwatermark-harmless+unwatermark-words", crop=128, lr=2e-4, schedule="cosine"),
    "xray": Plan(
        "denoise",
        "X-rays with Poisson-Gaussian noise",
        (("covid_xray48/images", 36),),
        "CC BY and CC BY-NC-SA, picture by picture: no commercial use",
        8,
        "denoise-gray",
        {"gray": True, "corruption": "poisson-gaussian"},
    ),
    "plain-unet": Plan(
        "denoise",
        "as unwatermark, but the net tells the picture alone",
        PHOTOS[:1],
        BSDS,
        18,
        None,
        {
            "corruption": "watermark:LOGOS",
            "channels": "64,96,128,160",
            "fold": 4,
            "crop": 160,
            "batch_size": 8,
            "size": 256,
            "lr": 1e-3,
            "clip": 1000,
        },
        shipped=False,
    ),
    "plain-denoising": Plan(
        "denoising",
        "watermarks through the bottleneck of a denoising autoencoder",
        PHOTOS[:1],
        BSDS,
        60,
        keys={"corruption": "watermark:LOGOS", "net": "conv", "size": 64},
        shipped=False,
    ),
}


# On a GPU: wider and deeper nets at the same 4 MB, larger crops, all pictures but the last ones, which choose.
HELD_BACK = {"bsd400_color": 40, "photos_cc": 2, "logos_cc0": 8}
ON_GPU: dict[str, Any] = {"precision": "bf16-mixed", "clip": 1200, "crop": 128, "batch_size": 96, "ema": 0.999}
WIDE = {"channels": "64,96,128", "blocks": "3,2,2"}
PICTURES = (("bsd400_color", 360), ("photos_cc", 16))
LICENCE = f"{BSDS}; photos_cc: CC0, CC BY and CC BY-SA"
GPU_PLANS = {
    "denoise-color": Plan(
        "denoise",
        "photos with white noise of σ 0-55, clipped or not",
        PICTURES,
        LICENCE,
        0,
        "shipped:denoise-color",
        {**ON_GPU, **WIDE, "corruption": CLIPPED, "lr": 1.2e-3, "batch_size": 64},
        variants=("vivid",),
    ),
    "denoise-real": Plan(
        "denoise",
        "photos with the noise of cameras, and JPEG",
        PICTURES,
        LICENCE,
        0,
        "shipped:denoise-real",
        {**ON_GPU, **WIDE, "corruption": CAMERA, "lr": 1.2e-3},
        variants=("vivid", "gray"),
    ),
    "denoise-gray": Plan(
        "denoise",
        "gray pictures with white noise of σ 0-55, clipped or not",
        PICTURES,
        LICENCE,
        0,
        "shipped:denoise-color",
        {**ON_GPU, **WIDE, "corruption": CLIPPED, "lr": 1.5e-3, "batch_size": 64, "gray": True},
    ),
    "unwatermark": Plan(
        "unwatermark",
        "logos, words and shapes laid over photos",
        PICTURES,
        f"{LICENCE}; the logos are CC0 (trade marks remain)",
        0,
        "shipped:unwatermark",
        {"precision": "bf16-mixed", "overlay": "LOGOS", "ease": 0.0, "crop": 160, "batch_size": 16, "workers": 14}
        | {"lr": 5e-4, "clip": 1000},
        logos=64,
    ),
    "inpaint": Plan(
        "inpaint",
        "holes in photos: pixels, lines, text, boxes",
        PICTURES,
        LICENCE,
        0,
        "shipped:inpaint",
        {"precision": "bf16-mixed", "crop": 96, "batch_size": 32, "workers": 10, "lr": 7e-4, "clip": 225},
    ),
    **{
        f"upscale-{scale}": Plan(
            "upscale",
            f"photos, {scale} times as wide and high",
            PICTURES,
            LICENCE,
            0,
            begun,
            {"precision": "bf16-mixed", "scale": scale, "gray": True, "batch_size": 64, "lr": 1e-3, "clip": 600}
            | {"width": 64, "blocks": 12, "crop": 48, "ema": 0.999},
        )
        for scale, begun in ((2, None), (3, "upscale-2"), (4, "upscale-3"))
    },
}


GPU_PLANS |= {
    name: replace(PLANS[name], init=None, keys={**GPU_PLANS[name[:-3]].keys, "lr": 1.5e-3})
    for name in ("denoise-color-cc", "denoise-real-cc", "denoise-gray-cc")
}


def varied(folder: Path, out: Path, variants: tuple[str, ...]) -> Path:
    """The pictures of `folder`, with the variants of each beside it, as files in `out`; `folder` itself without any."""
    if not variants:
        return folder
    for path in sorted(folder.rglob("*.*")):
        place = out / path.parent.name
        place.mkdir(parents=True, exist_ok=True)
        link = place / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())
        with Image.open(path) as image:
            picture = np.asarray(image.convert("RGB")).astype(np.float32)
        random = np.random.default_rng(zlib.crc32(path.stem.encode()))
        light = picture @ np.array([0.299, 0.587, 0.114], np.float32)
        made = {
            "vivid": light[..., None] + random.uniform(1.2, 2.4) * (picture - light[..., None]),
            "gray": np.repeat(light[..., None], 3, 2),
        }
        made["vivid"] = made["vivid"][..., random.permutation(3)]
        for name in variants:
            Image.fromarray(np.rint(made[name].clip(0, 255)).astype(np.uint8)).save(
                place / f"{path.stem}-{name}.png", compress_level=1
            )
    return out


def linked(folder: Path, sets: tuple[tuple[str, int], ...]) -> Path:
    """A folder of links to the first pictures of `sets`, by name, but for those that lie in test sets, too."""
    for name, count in sets:
        files = sorted(path for path in (DATA / name).glob("*") if path.suffix in (".png", ".jpg", ".bmp"))
        if len(files) < count:
            raise SystemExit(f"{DATA / name}: {len(files)} pictures, and {count} are learned from")
        for path in without(LEARNED, name, files[:count]):
            link = folder / name.partition("/")[0] / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(path.resolve())
    return folder


def learned(plan: Plan, folder: Path) -> Path:
    """The folder of all pictures that a plan learns from."""
    folder = varied(linked(folder, plan.sets), folder.with_name(f"{folder.name}-varied"), plan.variants)
    for path in rendered(folder.parent / "leaves", plan.leaves).glob("*.png") if plan.leaves else ():
        link = folder / "leaves" / path.name
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())
    return folder


def begun_from(names: str, out: Path) -> Path:
    """The run of that name, a shipped model (shipped:NAME), or a folder made with the mean of the weights of two."""
    if names.startswith("shipped:"):
        return FOLDER / names.removeprefix("shipped:")
    if "+" not in names:
        return out / names
    runs = [out / name for name in names.split("+")]
    first, second = (store.read_weights(run) for run in runs)
    folder = out / "sources" / names
    folder.mkdir(parents=True, exist_ok=True)
    store.write_json(folder / store.CONFIG, store.read_config(runs[0]))
    store.write_tensors(folder / store.WEIGHTS, {key: (first[key].float() + second[key].float()) / 2 for key in first})
    return folder


def described(plan: Plan) -> str:
    """The pictures that a plan learns from, in words."""
    sets = [f"{name.partition('/')[0]} (the first {count} files)" for name, count in plan.sets]
    variants = [f"and of each picture: {', '.join(plan.variants)}"] if plan.variants else []
    leaves = [f"{plan.leaves} rendered pictures (benchmarks/dead_leaves.py)"] if plan.leaves else []
    return ", ".join(sets + variants + leaves)


def pack(name: str, run: Path, plan: Plan, seconds: float) -> Path:
    """The run as a shipped model, trained on this machine in so many seconds."""
    about, history = store.read_config(run)["about"], (run / store.HISTORY).read_text().splitlines()
    steps = round((len(history) - 1) * about["data"].get("count", 0) / about["training"]["batch_size"])
    known = {"steps": steps, "seconds": round(seconds), "machine": machine(), "date": time.strftime("%Y-%m-%d")}
    return ship(name, run, plan, known)


def ship(name: str, run: Path, plan: Plan, known: dict[str, Any]) -> Path:
    """Weights in half precision, config and card. Rounding costs less than a hundredth of a dB.

    known: steps, seconds, machine and date of the training, and what else the card has to say.
    """
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    weights = {key: value.half() for key, value in store.read_weights(run).items()}
    config = store.read_config(run)
    config["about"].pop("data", None)  # a path of the machine it was trained on
    for place in (config["about"].get("options", {}), config["about"].get("asked", {}), config["model"]["corruption"]):
        if "overlay" in place:
            place["overlay"] = "logos" if isinstance(place["overlay"], str) else ["logos"]
    store.write_tensors(folder / store.WEIGHTS, weights)
    store.write_json(folder / store.CONFIG, config)
    card = {
        "name": name,
        "use": plan.use,
        "recipe": plan.recipe,
        "data": described(plan),
        "licence": plan.licence,
        "begun_from": plan.init,
        "weights": sum(value.numel() for value in weights.values()),
        "options": config["about"]["options"],
        "training": config["about"]["training"],
        **known,
        "figures": {},
    }
    with atomic(folder / CARD) as path:
        path.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=[*PLANS], metavar="NAME", help=f"of: {', '.join(PLANS)}")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    given = parser.parse_args()
    for name in given.names:
        plan, run = PLANS[name], given.out / name
        sources = given.out / "sources"
        logos = str(linked(sources / f"logos-{plan.logos}", (("logos_cc0", plan.logos),)))
        keys = {k: v.replace("LOGOS", logos) if isinstance(v, str) else v for k, v in plan.keys.items()}
        done = train(
            plan.recipe,
            learned(plan, sources / name),
            out=run,
            init=plan.init and begun_from(plan.init, given.out),
            resume=True,
            epochs=plan.epochs,
            validation=0.0,
            **keys,
        )
        if plan.shipped:
            print(pack(name, run, plan, sum(row["seconds"] for row in done.history)), flush=True)


if __name__ == "__main__":
    main()
