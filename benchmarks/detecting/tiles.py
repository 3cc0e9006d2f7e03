"""Magnetic tiles (Huang et al. 2018): trained on normal tiles, to detect and localize five kinds of defect.

Images of one tile have adjacent numbers, so the first 160 normal images by number are for training, the next 40 for
calibration, and the last 100 for the test: shuffled, nearly equal images would be in several splits.
"""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.ndimage import gaussian_filter

import isthmus
from detecting.choice import label_of
from detecting.synthesized import on_tiles
from isthmus.data import open_data
from isthmus.metrics import aupro, auroc, average_precision

LEARNED, LINE, SIDE = 160, 40, 256
WORST, SMOOTH = 0.001, 2.0  # of the baselines' maps, as of ours
POOLS = "Baselines with the pool that suits each better on these, which flatters them"
Maps = Callable[[np.ndarray], np.ndarray]  # N×H×W in [0, 1] -> how bad each place is


def split_folders(tiles: Path, top: Path, seed: int | None = None) -> None:
    """The data set as MVTec's are: train/good, test/KIND, ground_truth/KIND. A mask that marks nothing is none.

    seed: of a random order of the normal tiles, so that images of one tile are in several parts; None for the order of
    their numbers.
    """
    shutil.rmtree(top, ignore_errors=True)

    def number(path: Path) -> int:
        return int(re.findall(r"num_(\d+)", path.name)[0])

    for folder in sorted(tiles.glob("MT_*")):
        kind = folder.name.removeprefix("MT_").lower()
        paths = sorted((folder / "Imgs").glob("*.jpg"), key=number)
        good = kind == "free"
        if good and seed is not None:
            paths = [paths[place] for place in np.random.default_rng(seed).permutation(len(paths))]
        for place, path in enumerate(paths):
            part = "test" if not good or place >= LEARNED + LINE else "train" if place < LEARNED else "validation"
            to = top / part / ("good" if good else kind) / path.name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to)
            mask = path.with_suffix(".png")
            if not good and np.asarray(Image.open(mask)).any():
                shown = top / "ground_truth" / kind / mask.name
                shown.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(mask, shown)


def pictures(folder: Path) -> np.ndarray:
    """N×H×W in [0, 1], as the detectors see them."""
    like = {"shape": [1, SIDE, SIDE], "range": [0, 255], "whole": True}
    return open_data(str(folder), like=like).floats().numpy()[:, 0]


def baselines(good: np.ndarray) -> dict[str, Maps]:
    """PCA of whole pictures, PCA of patches, and the nearest good patch by PCA's codes; nothing of them is chosen."""
    from sklearn.decomposition import PCA

    whole = PCA(32, random_state=0).fit(good.reshape(len(good), -1))
    side, step = 16, 8
    cut = torch.nn.Unfold(side, stride=step)
    glue = torch.nn.Fold((SIDE, SIDE), side, stride=step)

    def patches(x: np.ndarray) -> np.ndarray:
        return cut(torch.from_numpy(x)[:, None]).transpose(1, 2).reshape(-1, side * side).numpy()

    many = patches(good)
    small = PCA(16, random_state=0).fit(many[::7])
    some = np.random.default_rng(0).permutation(len(many))[:20_000]
    codes = torch.from_numpy(small.transform(many[some])).float()

    def of_whole(x: np.ndarray) -> np.ndarray:
        flat = x.reshape(len(x), -1)
        return np.asarray(np.square(whole.inverse_transform(whole.transform(flat)) - flat).reshape(x.shape))

    def of_patches(x: np.ndarray) -> np.ndarray:
        flat = patches(x)
        error = torch.from_numpy(np.square(small.inverse_transform(small.transform(flat)) - flat))
        error = error.view(len(x), -1, side * side).transpose(1, 2)
        return np.asarray((glue(error) / glue(torch.ones_like(error)))[:, 0])

    def nearest(x: np.ndarray) -> np.ndarray:
        own = torch.from_numpy(small.transform(patches(x))).float()
        apart = torch.cat([torch.cdist(part, codes).amin(1) for part in own.split(2048)])
        grid = apart.view(len(x), 1, (SIDE - side) // step + 1, -1)
        return np.asarray(F.interpolate(grid, size=(SIDE, SIDE), mode="bilinear")[:, 0])

    def smooth(maps: Maps) -> Maps:
        return lambda x: np.concatenate(
            [gaussian_filter(maps(part), (0, SMOOTH, SMOOTH)) for part in np.array_split(x, -(-len(x) // 16))]
        )

    named = {"PCA 32 of whole tiles": of_whole, "PCA 16 of 16×16 patches": of_patches, "1-NN of 16×16 patches": nearest}
    return {name: smooth(maps) for name, maps in named.items()}


def pooled(maps: np.ndarray) -> dict[str, np.ndarray]:
    """Pool -> one number of each map: its mean, which suits most of these baselines, and its worst thousandth."""
    return {"mean": maps.reshape(len(maps), -1).mean(1), "worst": worst(maps)}


def worst(maps: np.ndarray, share: float = WORST) -> np.ndarray:
    flat = np.sort(maps.reshape(len(maps), -1), axis=1)
    return np.asarray(flat[:, -max(1, round(share * flat.shape[1])) :].mean(1))


def judged(maps: Maps, top: Path) -> dict[str, Any]:
    """The figures of a baseline, as `isthmus evaluate` names them, with the pool that suits it better (which flatters
    it), and the AUROC with each."""

    def find(x: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        found = maps(x)
        return pooled(found), found

    scores, kinds, of_pixels = found_in(find, top)
    by_pool = {pool: auroc(values, kinds != "good") for pool, values in scores.items()}
    pool = max(by_pool, key=lambda name: by_pool[name])
    each = {f"image_auroc_{name}": value for name, value in by_pool.items()}
    return of_images(scores[pool], kinds) | {"pool": pool, **each} | of_pixels


def found_in(
    find: Callable[[np.ndarray], tuple[dict[str, np.ndarray], np.ndarray]], top: Path
) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, float]]:
    """(scores [N] by name, the kind of each image, the figures of the maps) of all test images.

    find: N×H×W in [0, 1] -> (scores [N] by name, maps N×H×W).
    """
    score: dict[str, list[np.ndarray]] = {}
    kinds, seen, truth = [], [], []
    for folder in sorted((top / "test").iterdir()):
        scores, maps = find(pictures(folder))
        for name, values in scores.items():
            score.setdefault(name, []).append(values)
        kinds += [folder.name] * len(maps)
        for one, path in zip(maps, sorted(folder.iterdir()), strict=True):
            mask = masks_of(top / "ground_truth" / folder.name, path.stem)
            if mask is not None or folder.name == "good":
                shown = pictures(mask)[0] > 0.5 if mask is not None else np.zeros_like(one, bool)
                seen.append(one)
                truth.append(shown)
    of_pixels = {
        "pixel_auroc": auroc(np.stack(seen).ravel(), np.stack(truth).ravel()),
        "aupro": aupro(seen, truth),
    }
    return {name: np.concatenate(values) for name, values in score.items()}, np.array(kinds), of_pixels


def of_images(scores: np.ndarray, kinds: np.ndarray) -> dict[str, float]:
    """The figures of the scores of images, over all and of each kind."""
    bad = kinds != "good"
    figures = {"image_auroc": auroc(scores, bad), "image_ap": average_precision(scores, bad)}
    for kind in sorted({*kinds.tolist()} - {"good"}):
        among = ~bad | (kinds == kind)
        figures[kind] = auroc(scores[among], bad[among])
    return figures


def baseline_rows(top: Path) -> list[dict[str, Any]]:
    """The baselines on a folder that is laid out as MVTec's are."""
    return [{"model": name, **judged(maps, top)} for name, maps in baselines(pictures(top / "train" / "good")).items()]


def masks_of(folder: Path, stem: str) -> Path | None:
    """The mask of a picture: NAME.png or NAME_mask.png; None where there is none."""
    return next((path for name in (stem, f"{stem}_mask") if (path := folder / f"{name}.png").is_file()), None)


def of_seed(run: Path, seed: int) -> Path:
    return run.with_name(f"{run.name}-{seed}")


def trained_run(top: Path, run: Path, seed: int, **keys: Any) -> Any:
    """The model, trained on the top folder, in half precision for time; resumed if it exists."""
    how: dict[str, Any] = {"good": str(top / "validation" / "good"), "validation": 0.0, "test": 0.0}
    how |= {"precision": "bf16-mixed"}
    return isthmus.train("detect", top, out=of_seed(run, seed), resume=True, seed=seed, **how | keys).model


def ours(top: Path, run: Path, seed: int, **keys: Any) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trained_run(top, run, seed, **keys)
        return evaluated(top, of_seed(run, seed))


def evaluated(top: Path, run: Path) -> dict[str, Any]:
    """The figures of a run that benchmarks keep."""
    figures = isthmus.evaluate(run, str(top))
    kept = ("image_auroc", "image_ap", "pixel_auroc", "aupro", "f1", "false_alarm_rate")
    return {name: figures[name] for name in kept} | figures["per_kind"]


CHOICES: list[dict[str, Any]] = [
    *({"score": score} for score in ("marks", "error", "ssim", "gradient")),
    *(
        {"score": f"marks+{other}"}
        for other in ("error", "ssim", "gradient", "error+ssim", "features", "ssim+features")
    ),
    *({"score": "marks+ssim", "share": share} for share in (0.0003, 0.003, 0.01, 0.03)),
    *({"score": "marks+ssim", "smooth": smooth} for smooth in (1.0, 4.0, 8.0)),
]


def synthesized(run: Path, top: Path) -> list[dict[str, Any]]:
    """How the score was chosen: on defects made of the good ones that draw the line, by ways that the model has not
    learned by."""
    from isthmus.inference.inputs import open_for, parts_of
    from isthmus.jobs.anomaly.calibrate import calibrate

    model = isthmus.load(run)
    model.path = None  # the run keeps its own detector
    data = open_for(model, str(top / "train" / "good"))
    good = pictures(top / "validation" / "good")
    made = on_tiles((good * 255).astype(np.uint8), seed=0)
    truth = np.repeat([False, True], len(good))
    rows = []
    for asked in CHOICES:
        calibrate(model, data, parts_of(data, model), **asked)

        def found(x: np.ndarray) -> Any:
            return model.detect(torch.from_numpy(x[:, None].astype(np.float32)), unit=True)

        clean, image, pixel = found(good).score, [], []
        for x, masks in made.values():
            seen = found(x / 255)
            image.append(auroc(np.concatenate([clean, seen.score]), truth))
            pixel.append(auroc(seen.map.numpy().ravel(), masks.ravel()))
        rows.append({"choice": label_of(asked), "image_auroc": fmean(image), "pixel_auroc": fmean(pixel)})
    return sorted(rows, key=lambda row: -float(row["image_auroc"]))
