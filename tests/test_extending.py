"""Packages of their own bring bottlenecks, recipes and jobs; after their installation every command knows them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

PACKAGES = Path(__file__).parent / "packages"
PACKAGE = PACKAGES / "isthmus_hashing"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the packages as pip leaves one: the modules and their entry points."""
    folder = tmp_path_factory.mktemp("site")
    for package in (PACKAGE, PACKAGES / "isthmus_segmenting"):
        shutil.copytree(package / package.name, folder / package.name)
        project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        info = folder / f"{package.name}-1.0.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        (info / "METADATA").write_text(metadata)
        groups = [
            "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())])
            for group, entries in project["entry-points"].items()
        ]
        (info / "entry_points.txt").write_text("\n".join(groups) + "\n")
    return folder


@pytest.fixture
def run(site: Path, tmp_path: Path) -> Any:
    def command(*arguments: str, code: int = 0) -> str:
        script = f"import sys; sys.path.append({str(site)!r}); from isthmus.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=120
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    return command


def test_a_job_of_another_package_is_a_job(run: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = np.repeat(rng.integers(0, 255, (4, 8, 8), dtype=np.uint8), 10, 0)
    np.save(tmp_path / "x.npy", images)
    np.savez(tmp_path / "labeled.npz", x=images, y=np.repeat(np.arange(4), 10))
    assert "hashes" in run("--help")
    assert "Search" in run("--help")
    assert "Write the bits of items as text." in run("hashes", "--help")
    assert "binary" in run("recipes")
    assert "units" in run("recipes", "binary")
    text = run("train", "binary", "x.npy", "--out", "run", "--epochs", "3", "--code", "12", "--device", "cpu")
    assert "isthmus hashes run x.npy --out hashes.csv" in text
    assert "binary" in (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "run" / "config.json").read_text())["about"]["job"] == "hashing"
    figures = json.loads(run("evaluate", "run", "x.npy", "--json"))
    assert figures["code_size"] == 12
    assert figures["compression_factor"] == pytest.approx(8 * 64 / 12)
    run("hashes", "run", "x.npy", "--out", "hashes.csv")
    with (tmp_path / "hashes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    assert {len(row["hash"]) for row in rows} == {12}
    assert len({row["hash"] for row in rows[:10]}) == 1
    assert json.loads(run("evaluate", "run", "labeled.npz", "--json", "--split", "all"))["precision_at_1"] == 1.0
    run("export", "run", "--out", "run.onnx")
    assert (tmp_path / "run.onnx").stat().st_size > 1000
    assert "run: is a run of binary; isthmus hashes uses it" in run(
        "denoise", "x.npy", "--model", "run", "--out", "y.npy", code=2
    )


def test_a_job_of_another_package_learns_label_maps(run: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(12):
        labels = np.kron(rng.integers(0, 3, (3, 3), np.uint8), np.ones((8, 8), np.uint8))
        image = np.clip(60 + 60.0 * labels + rng.normal(0, 10, labels.shape), 0, 255).astype(np.uint8)
        labels[:2] = 255  # pixels without a class
        for folder, pixels in (("x", image), ("y", labels)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / folder / f"{number}.png")
    classes = ["--set", "classes=3", "--device", "cpu"]
    text = run("train", "segmenter", "x", "--truth", "y", "--out", "run", *classes)
    assert "isthmus classify run x --out labels.npy" in text
    assert (tmp_path / "run" / "index.html").exists()
    run("classify", "run", "x", "--out", "labels.npy")
    found = np.load(tmp_path / "labels.npy")
    truth = np.stack([np.asarray(Image.open(tmp_path / "y" / f"{name}.png")) for name in sorted(map(str, range(12)))])
    share = (found == truth)[truth < 255].mean()
    assert share > 0.9
    assert json.loads(run("evaluate", "run", "x", "--truth", "y", "--json"))["accuracy"] == pytest.approx(share)
    assert "needs label maps" in run("evaluate", "run", "x", code=2)
    run("train", "segmenter", "x", "--out", "run", "--resume")


def test_its_function_is_one_of_isthmus(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"""
import sys
sys.path.append({str(site)!r})
import isthmus
assert isthmus.hashes.__module__ == "isthmus_hashing.hashes"
model = isthmus.create("binary", shape=(1, 8, 8), code=5)
assert model.symbols([[[0.5] * 8] * 8], unit=True).shape == (1, 5)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_its_recipe_keeps_the_contract_of_recipes(site: Path) -> None:
    contract = Path(__file__).parent / "test_contract.py"
    paths = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(site)])
    command = [sys.executable, "-m", "pytest", "-q", "-k", "binary", str(contract)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_the_page_shows_the_files_of_the_package() -> None:
    page = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
    for path in [PACKAGE / "pyproject.toml", *sorted((PACKAGE / "isthmus_hashing").glob("[!_]*.py"))]:
        assert path.read_text(encoding="utf-8").strip() in page, f"{path.name}: the page shows another version"
