"""The target of an evaluation: a ground truth, another corruption, and runs trained on noisy images only."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from isthmus import create, evaluate, fit, load
from isthmus.cli import main
from isthmus.corruptions import white_noise
from isthmus.errors import BadInput
from isthmus.inference.mask_regions import COVERED
from isthmus.metrics import psnr, ssim
from isthmus.types import Context, Noise, Sample

RunOf = Callable[[str], Path]


@pytest.fixture(scope="module")
def alone(digits: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned from noisy pictures alone."""
    out = tmp_path_factory.mktemp("alone") / "run"
    model = create("denoise", shape=(1, 8, 8), channels=(4, 6), fold=1, corruption="neighbors")
    fit(model, digits, out=out, epochs=1, batch_size=16, device="cpu", quiet=True)
    return out


@pytest.fixture(scope="module")
def noisy(digits: np.ndarray) -> np.ndarray:
    return (digits + np.random.default_rng(0).normal(0, 30, digits.shape)).clip(0, 255).astype(np.uint8)


def written(folder: Path, pictures: np.ndarray, suffix: str = ".png") -> Path:
    folder.mkdir()
    for place, picture in enumerate(pictures):
        Image.fromarray(picture[0]).save(folder / f"{place:02d}{suffix}")
    return folder


def unit(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x).float() / 255


# -- a truth --


def test_with_a_truth_nothing_is_added_and_both_are_scored_against_it(alone: Path, digits: Any, noisy: Any) -> None:
    figures, after = evaluate(alone, noisy, truth=digits), load(alone).reconstruct(noisy)
    assert figures["items"] == 60
    assert figures["truth"] == "array"
    for name, measure in (("psnr", psnr), ("ssim", ssim)):
        assert figures[name] == pytest.approx(float(measure(after, unit(digits)).mean()), rel=1e-4)
        assert figures[f"{name}_before"] == pytest.approx(float(measure(unit(noisy), unit(digits)).mean()), rel=1e-4)
    other = evaluate(alone, noisy, truth=noisy)
    assert other["psnr_before"] == math.inf
    assert other["psnr"] > 0


def test_the_truth_of_a_folder_is_found_by_name(tmp_path: Path, alone: Path, digits: Any, noisy: Any) -> None:
    before = written(tmp_path / "noisy", noisy[5:15])
    after = written(tmp_path / "clean", digits[5:15], ".bmp")
    Image.fromarray(digits[0, 0]).save(after / "00-another.png")
    figures = evaluate(alone, before, truth=after)
    assert figures["truth"] == "clean"
    assert figures["psnr"] == pytest.approx(evaluate(alone, noisy[5:15], truth=digits[5:15])["psnr"], rel=1e-6)
    one = evaluate(alone, before / "03.png", truth=written(tmp_path / "one", digits[8:9]) / "00.png")
    assert one["psnr_before"] == pytest.approx(float(psnr(unit(noisy[8:9]), unit(digits[8:9]))), rel=1e-4)
    (after / "07.bmp").unlink()
    with pytest.raises(BadInput, match=r"clean: holds no truth of 07\.png"):
        evaluate(alone, before, truth=after)
    assert evaluate(alone, before, truth=after, first=7)["items"] == 7


def test_a_part_meets_its_own_truth(run_of: RunOf, digits: Any, noisy: Any) -> None:
    run = run_of("denoising")
    figures = evaluate(run, digits, truth=255 - digits, split="test")
    names = json.loads((run / "parts.json").read_text())["test"]
    rows = [row for part in names.split() for row in range(int(part.split("-")[0]), int(part.split("-")[-1]) + 1)]
    assert figures["items"] == len(rows) == 12
    exact = psnr(load(run).reconstruct(digits[rows]), unit(255 - digits[rows])).mean()
    assert figures["psnr"] == pytest.approx(float(exact), rel=1e-4)


# -- another damage --


def test_sigma_is_white_noise_of_seed_0_on_data_that_are_clean(alone: Path, digits: Any) -> None:
    x, model = unit(digits), load(alone)
    figures = evaluate(alone, digits, sigma=25)
    damaged = white_noise(25)(Sample.of(x), Context(Noise(0, 0, 60))).x
    assert figures["sigma"] == 25
    assert figures["psnr_before"] == pytest.approx(float(psnr(damaged, x).mean()), rel=1e-5)
    assert figures["psnr_before"] == pytest.approx(-20 * math.log10(25 / 255), abs=0.2)
    assert figures["psnr"] == pytest.approx(float(psnr(model.restore(damaged), x).mean()), rel=1e-4)
    assert evaluate(alone, digits, corruption=f"gaussian:{25 / 255}")["psnr"] == pytest.approx(figures["psnr"])


def test_another_damage_replaces_that_of_the_run(run_of: RunOf, digits: Any) -> None:
    own = evaluate(run_of("denoising"), digits)
    assert evaluate(run_of("denoising"), digits, corruption="gaussian:0.3")["psnr"] == pytest.approx(own["psnr"])
    assert evaluate(run_of("denoising"), digits, sigma="5-10")["psnr_before"] > own["psnr_before"] + 10
    assert "psnr_before" not in evaluate(run_of("denoising"), digits, corruption="none")
    assert evaluate(run_of("conv"), digits, sigma=25)["psnr_before"] == pytest.approx(20.2, abs=0.3)


def test_each_way_of_scoring_is_kept_by_itself(tmp_path: Path, alone: Path, digits: Any, noisy: Any) -> None:
    shutil.copytree(alone, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").write_text("{}")
    for how in ({"sigma": 25}, {"truth": digits}, {"corruption": "jpeg:10"}):
        evaluate(tmp_path / "run", noisy, **how)
    kept = json.loads((tmp_path / "run" / "metrics.json").read_text())["evaluations"]
    assert set(kept) == {"array:all:sigma=25", "array:all:truth=array", "array:all:corruption=jpeg:10"}


# -- what is refused --


def test_a_run_that_knows_no_clean_picture_asks_for_one(alone: Path, digits: Any, capsys: Any) -> None:
    with pytest.raises(BadInput, match=r"run: was trained on degraded images; --truth PATH .* --set sigma=25"):
        evaluate(alone, digits)
    with pytest.raises(SystemExit) as exit:
        main(["evaluate", str(alone), "digits"])
    assert exit.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"sigma": 25, "corruption": "jpeg"}, "sigma and corruption: name one"),
        ({"truth": "digits", "sigma": 25}, "truth and sigma: name one"),
        ({"sigma": "strong"}, "sigma is strong: a number such as 25"),
        ({"sigma": -1}, r"sigma is -1\.0: a number from 0 up"),
        (
            {"corruption": "blind-spot"},
            "corruption=blind-spot: is a self-supervised training method, not a degradation",
        ),
        ({"corruption": "holes"}, "leaves an image and a mask, but this run takes an image"),
        ({"corruption": "shrink:2"}, "leaves an image 2 times smaller, but"),
        ({"corruption": "jpg"}, "did you mean 'jpeg'"),
        ({"truth": "nowhere"}, "nowhere: no such file"),
        ({"truth": np.zeros((20, 1, 8, 8), np.uint8)}, "20 items, but array has 60"),
        ({"truth": np.zeros((60, 1, 9, 8), np.uint8)}, "9×8"),
    ],
)
def test_invalid_comparisons_are_refused_in_one_line(alone: Path, digits: Any, how: Any, says: str) -> None:
    with pytest.raises(BadInput, match=says) as error:
        evaluate(alone, digits, **how)
    assert "\n" not in str(error.value)


def test_a_run_that_needs_a_mask_sends_to_its_own_verb(digits: Any) -> None:
    from isthmus.corruptions import Downsample, Holes

    model = create("denoise", shape=(1, 8, 8), channels=(4, 6), fold=1)
    for corruption, verb in ((Holes(), "inpaint --mask"), (Downsample(2), "upscale")):
        model.corruption = corruption
        with pytest.raises(BadInput, match=f"isthmus {verb} --truth"):
            evaluate(model, digits, truth=digits)


def test_a_run_that_finds_a_mask_is_scored_on_the_picture(digits: Any, noisy: Any) -> None:
    model = create("unwatermark", shape=(1, 8, 8), channels=(4, 6), fold=1).eval()
    with torch.no_grad():
        model.decoder.tail.bias[-1] = 0.05  # covered here and there
    told = model.restore(unit(noisy))
    given_back = torch.where(told[:, 1:] > COVERED, told[:, :1], unit(noisy))
    assert 0.05 < float((told[:, 1:] > COVERED).float().mean()) < 0.95
    assert evaluate(model, noisy, truth=digits)["psnr"] == pytest.approx(
        float(psnr(given_back, unit(digits)).mean()), rel=1e-4
    )
    assert evaluate(model, digits)["psnr"] > 0
