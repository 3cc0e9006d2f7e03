"""The tables of docs/results.md, docs/performance.md and README.md: their columns. `make tables` writes them.

README.md shows the rows named in CHOSEN, without the published column.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anomaly_tables import ANOMALY, FEATURE_ALARMS, FEATURES, PROMISE
from generation_tables import CACHE, DISCRETE, NLL, PHOTOS, RANKING
from segmentation_tables import SEGMENTATION
from speed_tables import DIFFERENT, GPU, SPEED
from table_writer import NONE, Contest, Lines, Pivot, Rows, Table, put

HERE = Path(__file__).parent
README, RESULTS = HERE.parent / "README.md", HERE.parent / "docs/results.md"
PERFORMANCE = HERE.parent / "docs/performance.md"

BESIDE = ("", "Isthmus", "baselines")
PCA_ANGLE = ("{sse_per_image:.2f}; {largest_angle_degrees:.1f}°", "scikit-learn's PCA: {pca_sse_per_image:.2f}")
TYPES = Table(  # benchmarks/undercomplete.py
    BESIDE,
    [
        Contest(
            "`undercomplete`, 24 numbers ({compression_factor:.1f}-fold): BCE per pixel / squared error per image",
            "undercomplete-start",
            "isthmus undercomplete",
            "{bce_per_pixel:.4f} / {sse_per_image:.2f}",
            names={"Keras on JAX": "Keras on JAX, same run:"},
            form="{}",
        ),
        Rows("undercomplete-pca", ("`{model}`: squared error; largest angle to PCA's subspace", *PCA_ANGLE)),
        *(
            Rows("undercomplete-deep", ("`{model}`: squared error", "{sse_per_image:.2f}", anchor), {"model": model})
            for model, anchor in {
                "deep 30": "3.00 (Hinton & Salakhutdinov 2006); 2.65 (a modern re-run)",
                "deep 24": "PCA 16.35",
            }.items()
        ),
        Rows(
            "undercomplete-quantized",
            (
                "`{model}`, Fashion-MNIST: share of 512 codes in use on the test set",
                lambda row: f"{100 * row['codebook_usage']:.1f} %",
                "without revival 10-60 %",
            ),
        ),
    ],
)


def held_back(name: str, title: str) -> Rows:
    """Defaults of the recipes on the held-back part of a set: the model, PCA and the mean."""
    cells = (
        f"{title}, defaults of `{{model}}`, PSNR",
        lambda row: f"{row['psnr']:.2f}" if row["must"] else f"**missed: {row['psnr']:.2f}**",
        lambda row: NONE if row["model"] == "quantized" else f"{row['pca_psnr']:.2f}",
        "{mean_psnr:.2f}",
        "{beside[psnr]:.2f}",
    )
    return Rows(f"defaults-{name}", cells, beside=f"defaults-{name}-budget")


DEFAULTS = Table(  # benchmarks/defaults.py
    ("", "Isthmus", "PCA with as many numbers", "mean image", "with --budget 60s"),
    [
        held_back("photos", "400 photos of BSDS500"),
        held_back("gray", "train400, gray"),
        held_back("nuclei", "334 images of nuclei (DSB 2018)"),
        held_back("xray", "48 chest X-rays"),
        held_back("mixed", "109 photos of mixed size (T91 and others)"),
    ],
    short=lambda row: [row[0], row[1], f"PCA with as many numbers {row[2]}; mean image {row[3]}"],
)

SHOWN = {"BM3D, told σ 25": "BM3D, σ 25 known", "nothing done": "input", "doing nothing": "input"}
SHOWN |= {f"upscale-{scale}": "upscale" for scale in (2, 3, 4)}  # one model per scale


def restored(title: str, part: str, ours: str, figure: str, form: str = ".2f", **only: Any) -> Contest:
    return Contest(title, f"restoration-{part}", ours, f"{{{figure}:{form}}}", only, names=SHOWN)


NOISE, SIZES = "σ 15 / 25 / 50, PSNR", "×2 / ×3 / ×4, PSNR on Y"
CLEAN, CAMERA = "115 images without a watermark, PSNR (60 for an unchanged image)", "simulated camera noise"
PHOTO = "isthmus denoise-color, a photo of 24 megapixels"
RESTORATION = Table(  # benchmarks/restoration.py
    (*BESIDE, "published"),
    [
        restored(f"Set12, gray, blind, {NOISE}", "gray", "denoise-gray", "psnr", set="set12"),
        restored(
            f"Set12 without the image contained in train400, {NOISE}", "gray", "denoise-gray", "psnr_apart", set="set12"
        ),
        restored(f"BSD68, gray, blind, {NOISE}", "gray", "denoise-gray", "psnr", set="bsd68"),
        restored(f"CBSD68, color, blind, {NOISE}", "color", "denoise-color", "psnr", set="cbsd68"),
        restored(f"Set5, {SIZES}", "upscale", "upscale", "psnr_y", set="set5"),
        restored(
            f"Set5 without the image contained in BSDS500, {SIZES}", "upscale", "upscale", "psnr_y_apart", set="set5"
        ),
        restored(f"Set14, {SIZES}", "upscale", "upscale", "psnr_y", set="set14"),
        restored(
            "Set5 + Set14, holes of 50 % / 80 % / text / boxes, PSNR in the hole", "inpaint", "inpaint", "psnr_in_hole"
        ),
        restored("the same without the image contained in BSDS500", "inpaint", "inpaint", "psnr_in_hole_apart"),
        restored("Kodak, 240 watermarks, PSNR in the mask", "watermark", "unwatermark", "psnr_in_mask"),
        restored("the same, full image", "watermark", "unwatermark", "psnr_whole"),
        *(
            restored(
                f"Kodak, one watermark per image, {kind}: dB gained in the mask",
                "harmless",
                "unwatermark",
                "gain_in_mask",
                marks=kind,
            )
            for kind in ("text", "logo", "tiled")
        ),
        restored(f"{CLEAN}: mean", "harmless", "unwatermark", "psnr", pictures="all"),
        restored(f"{CLEAN}: worst", "harmless", "unwatermark", "worst", pictures="all"),
        restored("classic5, JPEG quality 10 / 20 / 30 / 40, PSNR", "jpeg", "denoise-real", "psnr", set="classic5"),
        *(
            restored(
                f"CBSD68 (17 of them), {CAMERA}, {dose}, without / with JPEG 75, PSNR",
                "real",
                "chosen",
                "psnr",
                dose=dose,
            )
            for dose in ("bright", "indoors", "night")
        ),
        *(
            restored(f"12 X-rays, {dose} dose, PSNR", "xray", "xray", "psnr", dose=dose)
            for dose in ("high", "middle", "low")
        ),
        *(
            restored(
                f"{name}, times as fast as {peer} on 2 cores", "speed", f"isthmus {name}", "times", ".3g", beside=peer
            )
            for name, peer in (("denoise-gray", "BM3D"), ("denoise-color", "CBM3D"))
        ),
        restored("a photo of 24 megapixels, peak memory in GB", "speed", PHOTO, "peak_gb"),
    ],
)
ALONE = Table(  # how often `isthmus denoise` changes degraded images, and clean ones
    ("", "images changed", "PSNR before", "after"),
    [Rows("restoration-alone", ("{pictures}: {case}", "**{touched:.0%}**", "{psnr_before:.2f}", "{psnr:.2f}"))],
)


TABLES: dict[str, Table | Pivot] = {
    "types": TYPES,
    "defaults": DEFAULTS,
    "restoration": RESTORATION,
    "alone": ALONE,
    "anomaly": ANOMALY,
    "features": FEATURES,
    "feature-alarms": FEATURE_ALARMS,
    "promise": PROMISE,
    "segmentation": SEGMENTATION,
    "priors": RANKING,
    "nll": NLL,
    "generation": DISCRETE,
    "generation-photos": PHOTOS,
    "cache": CACHE,
    "speed": SPEED,
}
CHOSEN = (  # the start of a row's title, in the order of README.md
    "`undercomplete`, 24 numbers",
    "`deep 30`",
    "CBSD68, color",
    "Set5, ×2",
    "Set5 + Set14, holes",
    "12 X-rays, middle dose",
    "MNIST, one class is",
    "magnetic tiles, images",
    "nuclei (DSB 2018), Dice",
    "nuclei, objects at IoU .5",
    "784-24-784 on MNIST, an epoch on 2 cores",
    "a photo of 24 megapixels",
)


def shortened(row: list[str]) -> list[str]:
    """Title, Isthmus, baselines; a peer may be run here and published."""
    others = "; ".join(cell for cell in row[2:] if cell != NONE).split("; ")
    return [*row[:2], "; ".join(dict.fromkeys(others)) or NONE]


def chosen(tables: dict[str, Lines]) -> Lines:
    """The rows of README.md: title, Isthmus, baselines. SystemExit for a title that no table has."""
    lines = [list(BESIDE)]
    for start in CHOSEN:
        found = [(name, row) for name, table in tables.items() for row in table[1:] if row[0].startswith(start)]
        if not found:
            raise SystemExit(f"no row begins with {start!r}")
        name, row = found[0]
        lines.append((TABLES[name].short or shortened)(row))
    return lines


def pages() -> list[tuple[Path, str, Lines]]:
    """(page, name of the table in it, rows) of all tables."""
    made = {name: table.lines() for name, table in TABLES.items()}
    return [
        *((RESULTS, name, lines) for name, lines in made.items()),
        (PERFORMANCE, "different", DIFFERENT.lines()),
        (PERFORMANCE, "gpu", GPU.lines()),
        (README, "chosen", chosen(made)),
    ]


if __name__ == "__main__":
    for page, name, lines in pages():
        put(page, name, lines)
    print(f"-> {RESULTS.name}, {PERFORMANCE.name}, {README.name}")
