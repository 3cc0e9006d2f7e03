"""isthmus train denoise with every corruption: it trains, the run stores it, and inference adds none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from isthmus.cli import main

DAMAGES = [
    "poisson:20-500",
    "salt-and-pepper:0-0.3",
    "speckle:0-0.4",
    "jpeg:10-90",
    "poisson-gaussian:20-500",
    "gaussian:0-0.2,jpeg:10-90",
    "poisson:50+jpeg:60-95",
    "watermark",
    "neighbors",
    "blind-spot:0.05",
]
TINY = ["--set", "channels=4,6", "--set", "crop=8", "--batch-size", "4", "--epochs", "1", "--device", "cpu", "--json"]


def said(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(exit.value.code or 0), out, err


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    random = np.random.default_rng(0)
    for place in range(6):
        Image.fromarray(random.integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(f"photos/{place}.png")


@pytest.mark.parametrize("damage", DAMAGES)
def test_it_learns_from_any_damage(damage: str, capsys: Any) -> None:
    code, out, err = said(
        capsys,
        "train",
        "denoise",
        "photos",
        "--out",
        "run",
        "--set",
        f"corruption={damage}",
        "--validation",
        "0.2",
        *TINY,
    )
    assert code == 0, err
    assert json.loads(out)["status"] == "done"
    assert json.loads(Path("run/config.json").read_text())["about"]["options"]["corruption"] == damage
    assert "validation_loss" in Path("run/history.csv").read_text()


def test_a_run_of_noisy_pictures_alone_resumes_cleans_and_is_scored(capsys: Any) -> None:
    train = ["train", "denoise", "photos", "--out", "run", "--set", "corruption=neighbors", *TINY]
    assert said(capsys, *train)[0] == 0
    assert said(capsys, *train, "--resume")[0] == 0
    code, _, err = said(capsys, *train[:5], "--resume", "--set", "corruption=blind-spot")
    assert code == 2
    assert "corruption=neighbors" in err

    code, out, _ = said(capsys, "denoise", "photos", "--model", "run", "--out", "clean", "--json")
    assert code == 0
    assert json.loads(out)["pictures"] == 6
    assert Image.open("clean/0.png").size == (12, 10)  # not half of it, as in training

    code, out, err = said(capsys, "evaluate", "run", "photos")
    assert (code, out) == (2, "")
    assert "was trained on degraded images" in err
    code, out, _ = said(capsys, "evaluate", "run", "photos", "--truth", "clean", "--json")
    assert code == 0
    figures = json.loads(out)
    assert (figures["truth"], figures["items"]) == ("clean", 6)
    assert 10 < figures["psnr_before"] < 60  # the truth is what it made of them
    assert figures["psnr"] != figures["psnr_before"]
    code, out, _ = said(capsys, "evaluate", "run", "photos", "--set", "sigma=25", "--json")
    assert json.loads(out)["psnr_before"] == pytest.approx(20.2, abs=0.3)


def test_the_short_way_for_white_noise_takes_a_number(capsys: Any) -> None:
    code, out, _ = said(capsys, "train", "denoise", "photos", "--out", "run", "--set", "sigma=25", *TINY)
    assert code == 0
    noise = json.loads(Path("run/config.json").read_text())["model"]["corruption"]
    assert noise == {"name": "GaussianNoise", "sigma": [25 / 255, 25 / 255]}
    code, out, err = said(
        capsys, "train", "denoise", "photos", "--out", "other", "--set", "sigma=9", "--set", "corruption=jpeg", *TINY
    )
    assert (code, out) == (2, "")
    assert "name one of the two" in err
    assert not Path("other").exists()
