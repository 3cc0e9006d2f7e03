"""Write the figures of results/*.json into docs/results.md, between <!-- figures:NAME --> and <!-- end -->.

README.md shows the rows named in CHOSEN, without the published column.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import results
from speed_tables import Table, different, on_gpu, speed

HERE = Path(__file__).parent
README, RESULTS = HERE.parent / "README.md", HERE.parent / "docs/results.md"
PERFORMANCE = HERE.parent / "docs/performance.md"

SHOWN = {"BM3D, told σ 25": "BM3D, σ 25 known", "nothing done": "input", "doing nothing": "input"}


def markdown(rows: Table) -> str:
    head, *body = rows
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def types() -> Table:
    """Every figure of benchmarks/undercomplete.py, with published figures and baselines."""
    start, pca = results("undercomplete-start"), results("undercomplete-pca")
    deep, quantized = results("undercomplete-deep"), results("undercomplete-quantized")
    rows = [["", "Isthmus", "baselines"]]
    ours = start["rows"][0]
    theirs = start["rows"][1] if len(start["rows"]) > 1 else None
    beside = f"Keras on JAX, same run: {theirs['bce_per_pixel']:.4f} / {theirs['sse_per_image']:.2f}" if theirs else "–"
    figures = f"{ours['bce_per_pixel']:.4f} / {ours['sse_per_image']:.2f}"
    rows.append(
        [
            f"`undercomplete`, 24 numbers ({ours['compression_factor']:.1f}-fold): BCE per pixel / squared error per "
            "image",
            figures,
            beside,
        ]
    )
    for row in pca["rows"]:
        rows.append(
            [
                f"`{row['model']}`: squared error; largest angle to PCA's subspace",
                f"{row['sse_per_image']:.2f}; {row['largest_angle_degrees']:.1f}°",
                f"scikit-learn's PCA: {row['pca_sse_per_image']:.2f}",
            ]
        )
    anchors = {
        "deep 30": "3.00 (Hinton & Salakhutdinov 2006); 2.65 (a modern re-run)",
        "deep 24": "PCA 16.35",
    }
    for row in deep["rows"]:
        rows.append([f"`{row['model']}`: squared error", f"{row['sse_per_image']:.2f}", anchors[row["model"]]])
    for row in quantized["rows"]:
        rows.append(
            [
                f"`{row['model']}`, Fashion-MNIST: share of 512 codes in use on the test set",
                f"{100 * row['codebook_usage']:.1f} %",
                "without revival 10-60 %",
            ]
        )
    return rows


def restoration() -> Table:
    """Every figure of benchmarks/restoration.py whose part has been run: Isthmus, baselines, published."""
    lines = [["", "Isthmus", "baselines", "published"]]

    def line(title: str, part: str, ours: str, figure: str, form: str = ".2f", **only: Any) -> None:
        """Figures of all rows for which `only` holds, by contender, in the order of measurement."""
        if not (HERE / "results" / f"restoration-{part}.json").exists():
            return
        scores: dict[str, list[str]] = {}
        for row in results(f"restoration-{part}")["rows"]:
            if figure in row and only.items() <= row.items():
                name = SHOWN.get(row["model"], re.sub(r"^(upscale)-\d", r"\1", row["model"]))  # one model per scale
                scores.setdefault(name, []).append(format(row[figure], form))
        figures = {name: " / ".join(values) for name, values in scores.items()}
        cited = [
            f"{name.removesuffix(' (published)')} {measured}"
            for name, measured in figures.items()
            if "(published)" in name
        ]
        beside = [
            f"{name} {measured}" for name, measured in figures.items() if name != ours and "(published)" not in name
        ]
        if ours in figures:
            lines.append([title, f"**{figures[ours]}**", "; ".join(beside) or "–", "; ".join(cited) or "–"])

    noise, sizes = "σ 15 / 25 / 50, PSNR", "×2 / ×3 / ×4, PSNR on Y"
    line(f"Set12, gray, blind, {noise}", "gray", "denoise-gray", "psnr", set="set12")
    line(f"Set12 without the image contained in train400, {noise}", "gray", "denoise-gray", "psnr_apart", set="set12")
    line(f"BSD68, gray, blind, {noise}", "gray", "denoise-gray", "psnr", set="bsd68")
    line(f"CBSD68, color, blind, {noise}", "color", "denoise-color", "psnr", set="cbsd68")
    line(f"Set5, {sizes}", "upscale", "upscale", "psnr_y", set="set5")
    line(f"Set5 without the image contained in BSDS500, {sizes}", "upscale", "upscale", "psnr_y_apart", set="set5")
    line(f"Set14, {sizes}", "upscale", "upscale", "psnr_y", set="set14")
    line("Set5 + Set14, holes of 50 % / 80 % / text / boxes, PSNR in the hole", "inpaint", "inpaint", "psnr_in_hole")
    line("the same without the image contained in BSDS500", "inpaint", "inpaint", "psnr_in_hole_apart")
    line("Kodak, 240 watermarks, PSNR in the mask", "watermark", "unwatermark", "psnr_in_mask")
    line("the same, full image", "watermark", "unwatermark", "psnr_whole")
    for kind in ("text", "logo", "tiled"):
        line(
            f"Kodak, one watermark per image, {kind}: dB gained in the mask",
            "harmless",
            "unwatermark",
            "gain_in_mask",
            marks=kind,
        )
    for figure, words in (("psnr", "mean"), ("worst", "worst")):
        line(
            f"115 images without a watermark, PSNR (60 for an unchanged image): {words}",
            "harmless",
            "unwatermark",
            figure,
            pictures="all",
        )
    line("classic5, JPEG quality 10 / 20 / 30 / 40, PSNR", "jpeg", "denoise-real", "psnr", set="classic5")
    for dose in ("bright", "indoors", "night"):
        title = f"CBSD68 (17 of them), simulated camera noise, {dose}, without / with JPEG 75, PSNR"
        line(title, "real", "chosen", "psnr", dose=dose)
    for dose in ("high", "middle", "low"):
        line(f"12 X-rays, {dose} dose, PSNR", "xray", "xray", "psnr", dose=dose)
    for name, peer in (("denoise-gray", "BM3D"), ("denoise-color", "CBM3D")):
        line(f"{name}, times as fast as {peer} on 2 cores", "speed", f"isthmus {name}", "times", ".3g", beside=peer)
    photo = "isthmus denoise-color, a photo of 24 megapixels"
    line("a photo of 24 megapixels, peak memory in GB", "speed", photo, "peak_gb")
    return lines


def left_alone() -> Table:
    """How often `isthmus denoise` changes degraded images, and clean ones."""
    lines = [["", "images changed", "PSNR before", "after"]]
    for row in results("restoration-alone")["rows"]:
        title = f"{row['pictures']}: {row['case']}"
        lines.append([title, f"**{row['touched']:.0%}**", f"{row['psnr_before']:.2f}", f"{row['psnr']:.2f}"])
    return lines


def anomaly() -> Table:
    """The figures of benchmarks/anomaly.py: Isthmus and baselines, of each part that has been run."""
    lines = [["", "Isthmus", "baselines", "published"]]

    def line(title: str, part: str, figure: str, published: str = "–", **only: Any) -> None:
        if not (HERE / "results" / f"anomaly-{part}.json").exists():
            return
        rows = [row for row in results(f"anomaly-{part}")["rows"] if figure in row and only.items() <= row.items()]
        scores = {row["model"]: f"{row[figure]:.3f}" for row in rows}
        own = scores.pop("isthmus detect")
        lines.append([title, f"**{own}**", "; ".join(f"{name} {value}" for name, value in scores.items()), published])

    line("MNIST, one class is normal, mean of ten", "mnist", "mean_auroc", "DCAE .897, Deep SVDD .948")
    line("Fashion-MNIST, one class is normal, mean of ten", "fashion", "mean_auroc")
    line("MNIST is normal, Fashion-MNIST anomalous", "alarms", "auroc", good="mnist")
    line("Fashion-MNIST is normal, MNIST anomalous", "alarms", "auroc", good="fashion-mnist")
    line("ECG5000, heart beats", "ecg", "auroc")
    line(
        "magnetic tiles, images",
        "tiles",
        "image_auroc",
        "PatchCore .979, DifferNet .977 (features of ImageNet, a random split of the normal tiles)",
    )
    for row in results("anomaly-tables")["rows"] if (HERE / "results" / "anomaly-tables.json").exists() else []:
        scores = {name: f"{value:.3f}" for name, value in row.items() if name != "set"}
        own = scores.pop("isthmus detect")
        beside = "; ".join(f"{name} {value}" for name, value in scores.items())
        lines.append([f"a table: {row['set']}", f"**{own}**", beside, "–"])
    line("magnetic tiles, pixels", "tiles", "pixel_auroc")
    line("parts at any angle, images", "parts", "image_auroc")
    line("parts at any angle, pixels", "parts", "pixel_auroc")
    line("magnetic tiles, overlap of regions up to 30 % false positives (AUPRO)", "tiles", "aupro")
    return lines


def promise() -> Table:
    """The bound on the false-positive rate and the measured rate, ± its standard error, for each score."""
    if not (HERE / "results" / "anomaly-promise.json").exists():
        return [["calibration set", "bound"]]
    rows = results("anomaly-promise")["rows"]
    scores = list(dict.fromkeys(row["score"] for row in rows))
    lines = [
        [
            "calibration set",
            "bound",
            *(f"`{one}`".replace(", trained anew`", "`, retrained") for one in scores),
        ]
    ]
    for good, count, share in dict.fromkeys((row["good"], row["calibration_items"], row["promised"]) for row in rows):
        found = {
            row["score"]: f"{row['false_alarm_rate']:.2%} ± {row['standard_error']:.2%}"
            for row in rows
            if (row["good"], row["calibration_items"], row["promised"]) == (good, count, share)
        }
        lines.append([f"{count} of {good}", f"{share:.0%}", *(found.get(score, "–") for score in scores)])
    return lines


DEFAULTS = {
    "photos": "400 photos of BSDS500",
    "gray": "train400, gray",
    "nuclei": "334 images of nuclei (DSB 2018)",
    "xray": "48 chest X-rays",
    "mixed": "109 photos of mixed size (T91 and others)",
}


def defaults() -> Table:
    """Every row of benchmarks/defaults.py that has been run: the model, PCA and the mean, on the held-back part."""
    lines = [["", "Isthmus", "PCA with as many numbers", "mean image", "with --budget 60s"]]
    for name, title in DEFAULTS.items():
        if not (HERE / "results" / f"defaults-{name}.json").exists():
            continue
        budgets = {}
        if (HERE / "results" / f"defaults-{name}-budget.json").exists():
            budgets = {row["model"]: row["psnr"] for row in results(f"defaults-{name}-budget")["rows"]}
        for row in results(f"defaults-{name}")["rows"]:
            ours = f"{row['psnr']:.2f}" if row["must"] else f"**missed: {row['psnr']:.2f}**"
            pca = "–" if row["model"] == "quantized" else f"{row['pca_psnr']:.2f}"
            budget = f"{budgets[row['model']]:.2f}" if row["model"] in budgets else "–"
            lines.append([f"{title}, defaults of `{row['model']}`, PSNR", ours, pca, f"{row['mean_psnr']:.2f}", budget])
    return lines


TABLES: dict[str, Callable[[], Table]] = {
    "types": types,
    "defaults": defaults,
    "restoration": restoration,
    "alone": left_alone,
    "anomaly": anomaly,
    "promise": promise,
    "speed": speed,
}
CHOSEN = (  # the start of a row's title, in the order of README.md
    "`undercomplete`, 24 numbers",
    "`deep 30`",
    "400 photos of BSDS500, defaults of `conv`",
    "CBSD68, color",
    "CBSD68 (17 of them), simulated camera noise, indoors",
    "Set5, ×2",
    "Set5 + Set14, holes",
    "12 X-rays, middle dose",
    "MNIST, one class is",
    "magnetic tiles, images",
    "784-24-784 on MNIST, an epoch on 2 cores",
    "a photo of 24 megapixels",
)


def chosen(tables: dict[str, Table]) -> Table:
    """The rows of README.md: title, Isthmus, baselines. SystemExit for a title that no table has."""
    lines = [["", "Isthmus", "baselines"]]
    for start in CHOSEN:
        found = [(name, row) for name, table in tables.items() for row in table[1:] if row[0].startswith(start)]
        if not found:
            raise SystemExit(f"no row begins with {start!r}")
        name, row = found[0]
        if name == "speed":  # which names the peer first
            lines.append([f"{row[0]}: times as fast as {row[1]}", row[2], "–"])
        elif name == "defaults":
            lines.append([row[0], row[1], f"PCA with as many numbers {row[2]}; mean image {row[3]}"])
        else:
            others = "; ".join(cell for cell in row[2:] if cell != "–").split("; ")
            lines.append([*row[:2], "; ".join(dict.fromkeys(others)) or "–"])  # a peer may be run here and published
    return lines


def put(page: Path, name: str, rows: Table) -> None:
    text = page.read_text(encoding="utf-8")
    marks = rf"(<!-- figures:{name} -->\n).*?(<!-- end -->)"
    text, count = re.subn(marks, lambda match: f"{match[1]}{markdown(rows)}\n{match[2]}", text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{page.name}: has {count} tables of the name {name}")
    page.write_text(text, encoding="utf-8")


def pages() -> list[tuple[Path, str, Table]]:
    """(page, name of the table in it, rows) of all tables."""
    made = {name: table() for name, table in TABLES.items()}
    tables = [(RESULTS, name, rows) for name, rows in made.items()]
    return [
        *tables,
        (PERFORMANCE, "different", different()),
        (PERFORMANCE, "gpu", on_gpu()),
        (README, "chosen", chosen(made)),
    ]


if __name__ == "__main__":
    for page, name, rows in pages():
        put(page, name, rows)
    print(f"-> {RESULTS.name}, {README.name}")
