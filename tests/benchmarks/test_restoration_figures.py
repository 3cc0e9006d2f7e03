"""The basis of the restoration figures: degradations, scores, and the square-root scale of peers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from isthmus import create, metrics, models
from isthmus.bicubic import enlarge

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path[:0] = [str(BENCHMARKS), str(BENCHMARKS / "peers")]

import restore as peers  # noqa: E402

import restoration  # noqa: E402
from restoring import comparison, damage, holes, noise, size  # noqa: E402
from restoring.comparison import Comparison, Net  # noqa: E402


def picture(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape).astype(np.uint8)


def test_noise_is_seeded_by_picture_and_strength_and_not_clipped() -> None:
    gray = np.full((1, 200, 200), 0.5)
    noisy = damage.noisy(gray, 50, 3, 50)
    assert np.array_equal(noisy, damage.noisy(gray, 50, 3, 50))
    assert not np.array_equal(noisy, damage.noisy(gray, 50, 4, 50))
    assert (255 * (noisy - gray)).std() == pytest.approx(50, rel=0.02)
    assert noisy.min() < 0
    assert noisy.max() > 1


def test_photons_are_poisson_and_the_reading_is_gaussian() -> None:
    level, photons, read = 0.3, 25, 0.03
    noisy = damage.photographed(np.full((1, 300, 300), level), photons, read, 0, 0)
    assert noisy.mean() == pytest.approx(level, rel=0.01)
    assert noisy.var() == pytest.approx(level / photons + read**2, rel=0.03)


@pytest.mark.parametrize(
    ("kind", "low", "high"), [("50 %", 0.49, 0.51), ("80 %", 0.79, 0.81), ("text", 0.06, 0.2), ("boxes", 0.1, 0.12)]
)
def test_holes_have_their_share(kind: str, low: float, high: float) -> None:
    for key in range(3):
        hole = damage.hole(kind, 280, 344, key)
        assert hole.shape == (1, 280, 344)
        assert low <= hole.mean() <= high
        assert hole.dtype == bool
        assert hole.view(np.uint8).max() == 1  # Pillow's own bool is 255 inside, and negation goes wrong with it
        assert np.array_equal(hole, damage.hole(kind, 280, 344, key))
        assert not np.array_equal(hole, damage.hole(kind, 280, 344, key + 1))


def logo() -> Image.Image:
    image = Image.new("RGBA", (128, 128))
    image.paste((30, 90, 200, 255), (24, 24, 104, 104))
    image.paste((255, 255, 255, 255), (50, 30, 78, 98))
    return image


def test_a_watermark_is_a_blend_inside_its_mask_and_nothing_outside() -> None:
    tiled = []
    for key in range(40):
        black, mask = damage.watermarked(np.zeros((3, 256, 384), np.uint8), logo(), key)
        white, _ = damage.watermarked(np.full((3, 256, 384), 255, np.uint8), logo(), key)
        photo = picture(3, 256, 384)
        marked, again = damage.watermarked(photo, logo(), key)
        assert np.array_equal(mask, again)
        outside = ~mask.repeat(3, 0)
        assert np.array_equal(marked[outside], photo[outside])
        alpha = 1 - (white.astype(float) - black) / 255  # what is laid over is the same on black and on white
        assert np.abs(alpha - alpha[:1]).max() <= 2.1 / 255  # one opacity for all channels
        assert 0.2 - 2 / 255 <= alpha.max() <= 0.9 + 2 / 255
        assert np.abs(marked - ((1 - alpha) * photo + black)).max() <= 2
        assert (alpha[:1] > 2 / 255)[~mask].sum() == 0
        tiled.append(mask.mean())
    assert max(tiled) > 4 * min(tiled)


def test_the_24_logos_that_are_tested_are_the_last_by_name(tmp_path: Path) -> None:
    for i in range(96):
        Image.new("RGBA", (4, 4), (i, 0, 0, 255)).save(tmp_path / f"{95 - i:02d}.png")
    assert [image.getpixel((0, 0))[0] for image in damage.logos(tmp_path)] == list(range(23, -1, -1))  # type: ignore


@pytest.mark.parametrize(("level", "photons", "read"), [(0.1, 25, 0.03), (0.5, 25, 0.03), (0.3, 400, 0.01)])
def test_the_square_root_scale_of_the_peers_is_undone_without_bias(level: float, photons: float, read: float) -> None:
    noisy = damage.photographed(np.full((1, 400, 400), level), photons, read, 1, 2)
    measured: list[Any] = []

    def average(x: np.ndarray, strength: float, sigma: float) -> np.ndarray:
        measured.append((x.std() / sigma, strength))
        return np.full_like(x, x.mean())

    clean = peers.stabilized(average)(noisy, None, 0.8, photons=photons, read=read, stabilize=True)
    assert clean.mean() == pytest.approx(level, rel=0.01)
    assert measured[0] == (pytest.approx(1, rel=0.06), 0.8)  # the noise is of one strength there, and its σ is measured
    peers.stabilized(average)(noisy, None, 0.8, photons=photons, read=read)
    assert measured[1] == (pytest.approx(1, rel=0.02), 0.8)


def test_a_peer_is_calibrated_by_the_highest_mean() -> None:
    truths = [picture(1, 8, 8) / 255 for _ in range(2)]
    entry = Comparison("xray")
    asked: list[Any] = []

    def run_peers(methods: list[Any], noisy: list[np.ndarray], holes: Any = None) -> list[Any]:
        asked.extend(methods)
        wanted = {"nlm": 0.7, "tv": 1.3, "wavelets": 1.5}
        off = [
            abs(options["strength"] - wanted[method])
            + 0.1 * (not options["stabilize"])
            + 0.01 * options.get("patch", 0)
            for method, options in methods
        ]
        return [[truth + 0.01 + error for truth in truths] for error in off]

    entry.run_peers = run_peers  # type: ignore[method-assign]
    best = noise.calibrated(entry, truths, truths, {"photons": 25, "read": 0.03})
    assert {method: options for method, (options, _) in best.items()} == {
        "nlm": {"strength": 0.7, "stabilize": True, "patch": 5},
        "tv": {"strength": 1.3, "stabilize": True},
        "wavelets": {"strength": 1.5, "stabilize": True},
    }
    assert all(options["photons"] == 25 and options["read"] == 0.03 for _, options in asked)


def test_the_gain_over_the_best_peer_is_per_kind() -> None:
    figures = {
        "inpaint": {"text": [30.0, 32.0], "boxes": [20.0, 21.0]},
        "one": {"text": [28.0, 31.0], "boxes": [10.0, 10.0]},
        "two": {"text": [31.0, 27.0], "boxes": [20.0, 20.0]},
    }
    (row,) = holes.over_the_best(figures, ["inpaint"])
    assert (row["text"], row["boxes"]) == (1.5, 0.5)
    assert (row["over_best"], row["lowest_kind"], row["lowest_picture"]) == (1.0, 0.5, 0.0)
    assert holes.over_the_best({"inpaint": figures["inpaint"]}, ["inpaint"]) == []


def stub(restore: Callable[[Tensor], Tensor], shape: tuple[int, ...], scale: int = 1, any_size: bool = True) -> Any:
    part = SimpleNamespace(any_size=any_size)
    weights = nn.Linear(1, 1).parameters
    known = {"encoder": part, "bottleneck": part, "reach": 8, "stride": 2, "corruption": None}
    return SimpleNamespace(restore=restore, shape=shape, scale=scale, parameters=weights, **known)


def test_a_model_of_one_size_gets_blocks_of_it() -> None:
    sizes = []

    def restore(x: Tensor) -> Tensor:
        sizes.append(tuple(x.shape[1:]))
        return x

    x = picture(3, 50, 41) / 255
    y = comparison.restored(Net(stub(restore, (3, 16, 16), any_size=False)), x)
    assert np.abs(y - x).max() < 1e-6
    assert set(sizes) == {(3, 16, 16)}


def test_a_restored_picture_is_cut_and_rounded_to_8_bits() -> None:
    x = picture(1, 40, 30) / 255
    y = comparison.restored(Net(stub(lambda x: 1.3 * x - 0.1, (1, 16, 16))), x)
    assert np.abs(y - np.clip(1.3 * x - 0.1, 0, 1)).max() <= 0.501 / 255
    assert np.array_equal(y, np.rint(255 * y) / 255)
    assert y.min() == 0
    assert y.max() == 1


@pytest.mark.parametrize("color", [True, False])
def test_a_model_enlarges_light_and_is_scored_on_video_luma(color: bool) -> None:
    plane = torch.from_numpy(16 + 219 * (picture(1, 1, 24, 30) / 255)) / 255  # black is 16 and white 235
    seen = []

    def cubic(x: Tensor) -> Tensor:
        seen.append(x)
        return enlarge(x, 2)

    y = size.by_model(Net(stub(cubic, (1, 16, 16), scale=2)), plane, color)
    exact = enlarge(plane, 2)  # a cubic does not care which range it works in
    assert (y - exact).abs().max() < 1e-5
    low, high = (0, 1) if color else (16 / 255, 235 / 255)
    assert low - 1e-6 <= min(float(x.min()) for x in seen)
    assert max(float(x.max()) for x in seen) == pytest.approx(high, abs=0.02)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_comes_out_as_published(real_data: Path, scale: int) -> None:
    files = [real_data / "set5" / f"{name}_GT.bmp" for name in ("baby", "bird", "butterfly", "head", "woman")]
    figures = size.score(partial(size.bicubic, scale), [size.planes(file, scale) for file in files], scale, files)
    assert figures["psnr_y"] == pytest.approx({2: 33.66, 3: 30.39, 4: 28.42}[scale], abs=0.005)
    assert figures["psnr_y_saved"] == pytest.approx(figures["psnr_y"], abs=0.02)


def test_another_protocol_stops_the_part() -> None:
    Comparison("gray").check(24.615, 24.61, "noisy")
    with pytest.raises(SystemExit, match="the protocol differs"):
        Comparison("gray").check(24.70, 24.61, "noisy")


def test_models_are_named_on_the_command_line() -> None:
    assert restoration.runs(["runs/a", "upscale-2=runs/b", "plain=c=d"]) == {
        "": "runs/a",
        "upscale-2": "runs/b",
        "plain": "c=d",
    }


def test_a_part_runs_from_pictures_to_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("set12", "bsd68"):
        (tmp_path / folder).mkdir()
        for i in range(3):
            Image.fromarray(picture(40 + i, 50)).save(tmp_path / folder / f"{i}.png")
    monkeypatch.setattr(comparison, "DATA", tmp_path)
    torch.manual_seed(0)
    create("denoise", shape=(1, 16, 16), channels=(4, 8), blocks=(1, 1)).save(tmp_path / "run")
    entry = Comparison("gray", {"": str(tmp_path / "run")}, peers=False, quick=True)
    noise.gray(entry)
    rows = {(row["model"], row["set"], row["sigma"]): row for row in entry.rows}
    assert rows["noisy", "bsd68", 15]["psnr"] == pytest.approx(24.61, abs=0.4)
    truth = picture(40, 50)[None] / 255
    exact = metrics.psnr(*(torch.from_numpy(x)[None] for x in (damage.noisy(truth, 25, 0, 25), truth)))
    other = metrics.psnr(*(torch.from_numpy(x)[None] for x in _second(25)))
    assert rows["noisy", "set12", 25]["psnr"] == pytest.approx((float(exact) + float(other)) / 2)
    assert ("denoise-gray", "set12", 50) in rows
    assert rows["BM3D (published)", "bsd68", 25]["psnr"] == 28.57
    assert "nothing is written: no peers; two pictures a set" in capsys.readouterr().out


def _second(sigma: int) -> tuple[np.ndarray, np.ndarray]:
    truth = picture(41, 50)[None] / 255
    return damage.noisy(truth, sigma, 1, sigma), truth


def test_the_figures_of_a_shipped_model_are_on_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "xray").mkdir()
    card = tmp_path / "xray" / models.CARD
    card.write_text(json.dumps({"name": "xray", "figures": {"other": [1]}}))
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    entry = Comparison("xray")
    entry.rows = [
        {"model": "noisy", "psnr": 1.0},
        {"model": "xray", "psnr": 2.0},
        {"model": "xray --best", "psnr": 3.0},
    ]
    entry.onto_card("xray")
    measured = json.loads(card.read_text())
    assert measured["name"] == "xray"
    assert measured["figures"] == {"other": [1], "xray": entry.rows[1:]}


def test_developed_noise_grows_with_the_light_and_is_correlated() -> None:
    for level in (0.3, 0.6):
        flat = np.full((3, 200, 200), level)
        developed = damage.developed(flat, 400, 0.0, 1)
        assert np.array_equal(developed, damage.developed(flat, 400, 0.0, 1))
        noise = developed**2.2 - level**2.2
        # An interpolated pixel of red is the mean of two or of four.
        assert noise[0].var() == pytest.approx(1.9 * level**2.2 / 400 * (1 + 2 / 2 + 1 / 4) / 4, rel=0.1)
        beside = (noise[..., 1:] * noise[..., :-1]).mean((1, 2)) / noise.var((1, 2))
        assert (beside > 0.2).all()


def test_a_jpeg_equals_that_of_pillow() -> None:
    gray = np.broadcast_to(np.linspace(0, 1, 64), (1, 64, 64))
    assert damage.as_jpeg(gray, 90).shape == (1, 64, 64)
    coarse, fine = (abs(damage.as_jpeg(gray, quality) - gray).mean() for quality in (10, 90))
    assert coarse > 2 * fine
