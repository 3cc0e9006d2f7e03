"""Put the figures of results/*.json into the README, between <!-- figures:NAME --> and <!-- end -->."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE.parent / "README.md"


def markdown(rows: list[list[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def results(name: str) -> dict[str, Any]:
    return json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))


def types() -> str:
    """Every figure of benchmarks/undercomplete.py, beside what is published or was run beside it."""
    start, pca = results("undercomplete-start"), results("undercomplete-pca")
    deep, quantized = results("undercomplete-deep"), results("undercomplete-quantized")
    rows = [["", "ours", "beside it"]]
    ours = start["rows"][0]
    theirs = start["rows"][1] if len(start["rows"]) > 1 else None
    beside = f"Keras on JAX, same run: {theirs['bce_per_pixel']:.4f} / {theirs['sse_per_image']:.2f}" if theirs else "–"
    figures = f"{ours['bce_per_pixel']:.4f} / {ours['sse_per_image']:.2f}"
    rows.append(
        [
            f"`undercomplete`, 24 numbers ({ours['compression_factor']:.1f}-fold): BCE a pixel / squared error a "
            "picture",
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
    return markdown(rows)


SPEED = [  # results/speed-PART.json, the start of the keys, our contender, what is done
    ("dense", "isthmus", "isthmus", "784-24-784 on MNIST, an epoch on 2 cores"),
    ("conv", "isthmus", "isthmus", "a convolutional VAE on {pictures}, an epoch on 2 cores"),
    ("folder", "isthmus", "isthmus", "5,000 JPEGs of 128 px, {epoch} epoch on 2 cores"),
    ("folder", "large", "isthmus, large", "the same as if too large for memory, {epoch} epoch"),
    ("gpu", "isthmus", "isthmus", "784-24-784 on MNIST, {timed}, one GPU"),
    ("startup", "isthmus", "import isthmus", "`import isthmus`"),
    ("startup", "help", "isthmus --help", "`isthmus --help`"),
]


def speed() -> str:
    """Every figure of benchmarks/speed.py that has been measured: theirs over ours, from one run."""
    head = ["", "beside it", "isthmus is × as fast (lowest–highest round)"]
    lines = [[*head, "with `compile=True`"]]
    for part, key, _, job in SPEED:
        if not (HERE / "results" / f"speed-{part}.json").exists():
            continue
        rows = results(f"speed-{part}")["rows"]
        for row in rows:
            if f"{key}_times" not in row or row["model"] == "python alone":
                continue
            title, (low, high) = job.format(**row), row[f"{key}_range"]
            compiled = f"{row['compiled_times']:.3g} ×" if "compiled_times" in row else "–"
            times = f"**{row[f'{key}_times']:.3g} ×** ({low:.3g}–{high:.3g})"
            lines.append([title, row["model"], times, compiled])
    return markdown(lines)


TABLES: dict[str, Callable[[], str]] = {"types": types, "speed": speed}

if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        marks = rf"(<!-- figures:{name} -->\n).*?(<!-- end -->)"
        text = re.sub(marks, lambda match, table=table: f"{match[1]}{table()}\n{match[2]}", text, flags=re.DOTALL)
    README.write_text(text, encoding="utf-8")
    print(f"-> {README.name}")
