"""Metrics with ground truth, side-by-side images, the choice of models, and the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.restoration import RANDOM, identity, nearest, negative, noise

import isthmus
from isthmus.cli import main
from isthmus.errors import BadInput
from isthmus.media.image_file import read_photo, write_photo
from isthmus.media.photo import Photo
from isthmus.metrics import psnr, psnr_y, ssim, ssim_y

# -- figures --


def test_metrics_with_ground_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part at a time, and those of the metrics all the same."""
    from isthmus.jobs.restoration import comparison

    monkeypatch.setattr(comparison, "PART", 9)
    for shape in ((40, 31, 3), (12, 11, 1), (5, 40, 3), (40, 5, 1), (1, 1, 1)):
        clean, noisy = noise(*shape), noise(*shape)
        rows: list[dict[str, Any]] = []
        isthmus.denoise(noisy, model=identity(), truth=clean, each=rows.append)
        a, b = (torch.from_numpy(np.moveaxis(x, -1, 0) / np.float32(255))[None] for x in (noisy, clean))
        assert rows[0]["psnr"] == pytest.approx(float(psnr(a, b)), rel=1e-5)
        assert rows[0]["ssim"] == pytest.approx(float(ssim(a, b)), rel=1e-4)
        assert rows[0]["psnr_before"] == rows[0]["psnr"]
        hole = RANDOM.uniform(0, 1, shape[:2]) < 0.5
        if hole.any() and not hole.all():
            isthmus.inpaint(noisy, hole, model=identity(), truth=clean, each=rows.append)
            inside = np.mean(((noisy / 255.0 - clean / 255.0) ** 2)[hole])
            assert rows[1]["psnr_in_mask"] == pytest.approx(-10 * np.log10(inside), rel=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_upscaling_is_scored_by_the_super_resolution_protocol(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from isthmus.jobs.restoration import comparison

    monkeypatch.setattr(comparison, "PART", 9)
    small, truth = noise(70, 33, channels), noise(210, 99, channels)
    rows: list[dict[str, Any]] = []
    large = isthmus.upscale(small, model=nearest(3, channels), truth=truth, each=rows.append)
    a, b = (torch.from_numpy(np.moveaxis(x, -1, 0) / np.float32(255))[None] for x in (large, truth))
    assert {key for key in rows[0] if "psnr" in key or "ssim" in key} == {
        "psnr_y",
        "ssim_y",
        "psnr_y_before",
        "ssim_y_before",
    }
    assert rows[0]["psnr_y"] == pytest.approx(float(psnr_y(a, b, 3)), abs=1e-3)
    assert rows[0]["ssim_y"] == pytest.approx(float(ssim_y(a, b, 3)), abs=1e-5)
    with pytest.raises(BadInput, match="the truth has 8×8 pixels, but the result 99×210"):
        isthmus.upscale(small, model=nearest(3, channels), truth=noise(8, 8))
    isthmus.upscale(noise(1, 1), model=nearest(3, 1), truth=noise(3, 3), each=rows.append)
    assert "psnr_y" not in rows[1]  # all of it is border


def test_a_truth_may_be_a_folder_and_must_have_the_size(folder: Path) -> None:
    (folder / "broken.png").unlink()
    (folder / "phone.heic").unlink()
    (folder / "a.png").unlink()
    rows: list[dict[str, Any]] = []
    isthmus.denoise(folder, model=identity(), out="out", truth=folder, each=rows.append)
    assert [row["psnr"] for row in rows] == [np.inf] * 3
    assert [row["ssim"] for row in rows] == pytest.approx([1] * 3)
    with pytest.raises(BadInput, match=r"the truth has 8×8 pixels, but the result 12×9"):
        isthmus.denoise(folder / "a.jpg", model=identity(), truth=folder / "more/b.tif")


def test_side_by_side() -> None:
    write_photo("a.png", Photo(noise(200, 300, 3, deep=True)))
    write_photo("truth.png", Photo(noise(200, 300, 1)))
    isthmus.denoise("a.png", model=negative(), out="b.png", side_by_side=True, truth="truth.png")
    sheet = read_photo("b-side-by-side.png").pixels
    top = sheet.shape[0] - 200
    assert 0 < top < 60
    assert sheet.shape[1] == 3 * 300 + 2 * 8
    assert sheet[:top].min() == 0  # there are words
    before, after, truth = (sheet[top:, start : start + 300] for start in (0, 308, 616))
    assert np.abs(before.astype(int) + after - 255).max() <= 1
    assert np.array_equal(truth, np.repeat(read_photo("truth.png").pixels, 3, -1))
    write_photo("small.png", Photo(noise(20, 30, 1)))
    isthmus.upscale("small.png", model=nearest(2), out="large.png", side_by_side=True)
    sheet = read_photo("large-side-by-side.png").pixels
    assert sheet.shape[2] == 1
    assert sheet.shape[1] == 2 * 4 * 60 + 8  # what is tiny is shown enlarged


# -- models and the command line --


def saved(name: str, recipe: str = "denoise", channels: int = 1) -> Path:
    model = isthmus.create(recipe, shape=(channels, 16, 16), channels=(4, 6), blocks=(1, 1), seed=1)
    return model.save(name)


def test_the_shipped_model_that_fits_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from isthmus import models

    there = {"denoise-gray": saved("gray", channels=1), "denoise-color": saved("color", channels=3)}
    taken: list[str] = []
    monkeypatch.setattr(models, "names", lambda: sorted(there))
    monkeypatch.setattr(models, "folder_of", lambda name: taken.append(name) or there[name])
    isthmus.denoise(noise(44, 44))
    assert taken == ["denoise-gray"]
    isthmus.denoise(noise(44, 44, 3))
    assert taken[-1] == "denoise-color"
    del there["denoise-color"]
    assert isthmus.denoise(noise(44, 44, 3)).shape == (44, 44, 3)
    with pytest.raises(BadInput, match="no model upscale-3 is shipped"):
        isthmus.upscale(noise(44, 44), scale=3)
    with pytest.raises(
        BadInput, match="denoise-grey: neither a run folder nor a shipped model; shipped are denoise-gray"
    ):
        isthmus.denoise(noise(20, 20), model="denoise-grey")


def test_a_model_of_another_job_is_refused() -> None:
    with pytest.raises(BadInput, match="is a run of denoise; isthmus denoise uses it"):
        isthmus.inpaint(noise(20, 20), np.eye(20), model=saved("run"))
    table = isthmus.create("undercomplete", shape=(13,), code=3)
    with pytest.raises(BadInput, match="is a run of undercomplete; isthmus reconstruct uses it"):
        isthmus.denoise(noise(20, 20), model=table)
    table.about = {}  # a net of one's own may do anything, if pictures are what it takes
    with pytest.raises(BadInput, match="not gray or color images"):
        isthmus.denoise(noise(20, 20), model=table)
    with pytest.raises(BadInput, match="this machine has none"):
        isthmus.denoise(noise(20, 20), model=identity(), device="mps")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main(list(arguments))
        return int(exit.value.code or 0), *capsys.readouterr()

    return run


@pytest.mark.usefixtures("one_thread")
def test_the_command_line(command: Callable[..., tuple[int, str, str]], folder: Path) -> None:
    saved("run")
    code, out, err = command("denoise", "in/a.jpg", "--model", "run", "--out", "b.png", "--truth", "in/a.jpg")
    assert code == 0, err
    assert {line.split()[0] for line in out.splitlines()} >= {"sigma", "psnr", "ssim", "psnr_before"}
    assert "Written: b.png" in err
    code, out, err = command("denoise", "in", "--model", "run", "--out", "out", "--json", "--best", "--side-by-side")
    assert code == 0, err
    found = json.loads(out)
    assert found["pictures"] == len(found["files"]) == 4
    assert found["sigma"] > 0
    assert "1 broken of 5" in err
    code, out, err = command("denoise", "in", "--model", "run", "--out", "out", "--resume")
    assert (code, out) == (0, "")
    assert "Written: out" in err
    for arguments, says in (
        (("in/phone.heic", "--model", "run", "--out", "c.png"), "save it as .jpg"),
        (("in/a.jpg", "--model", "run", "--out", "b.png"), "exists already"),
        (("in/a.jpg", "--model", "nowhere", "--out", "c.png"), "nowhere"),
        (("in/a.jpg", "--model", "run", "--out", "c.png", "--strength", "-1"), "strength"),
    ):
        code, out, err = command("denoise", *arguments)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert says in err
    for verb in ("unwatermark", "inpaint", "upscale"):
        assert command(verb, "--help")[0] == 0
