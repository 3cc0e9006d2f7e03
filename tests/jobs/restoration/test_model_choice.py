"""Estimates of noise, its correlation and JPEG quality; and the model chosen by them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import isthmus
from isthmus import models
from isthmus.cli import main
from isthmus.corruptions import corruption
from isthmus.errors import Note
from isthmus.jobs.restoration.degradation import estimate_noise, jpeg_quality
from isthmus.jobs.restoration.model_choice import ModelChooser, choose_denoiser, choose_for_video, model_warning
from isthmus.media.image_file import read_photo
from isthmus.media.metadata import Info
from isthmus.media.photo import Photo
from isthmus.media.video.open import open_video
from isthmus.types import Context, Noise, Sample

HIGH, WIDE = 240, 320
needs_models = pytest.mark.skipif("denoise-real" not in models.names(), reason="denoise-real is not shipped yet")


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """A landscape without any noise: a sky, hills with edges, and a field of texture in a third of it."""
    rows, columns = np.mgrid[: 2 * HIGH, : 2 * WIDE]
    pixels = np.stack([90 + rows / 6, 120 + columns / 10, 190 - rows / 5], -1)
    for place, color in ((200, (60, 90, 50)), (280, (110, 80, 60)), (360, (70, 120, 40))):
        pixels[rows > place + 40 * np.sin(columns / 57 + place)] = color
    random = np.random.default_rng(1)
    texture = random.normal(0, 40, pixels.shape[:2])[..., None] * (rows > 330)[..., None]
    image = Image.fromarray((pixels + texture).clip(0, 255).astype(np.uint8))
    return np.asarray(image.resize((WIDE, HIGH), Image.Resampling.LANCZOS))


def gray(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]


def white(pixels: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(2).normal(0, sigma, pixels.shape)
    return np.rint((pixels + noise).clip(0, 255)).astype(np.uint8)


def coded(pixels: np.ndarray, quality: int, **how: Any) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=quality, **how)
    return np.asarray(Image.open(file)).reshape(pixels.shape)


def photographed(pixels: np.ndarray, photons: float) -> np.ndarray:
    x = torch.from_numpy(pixels / 255).float().movedim(-1, 0).expand(8, -1, -1, -1)
    found = corruption(f"camera:{photons}")(Sample.of(x), Context(Noise(0, 0, 8))).x
    taken = [(one * 255).round().byte().movedim(0, -1).numpy() for one in found]
    # Of the cameras that are simulated some have no mosaic of colors, and white noise: here one that has.
    correlations = [noise.correlation if (noise := estimate_noise(one)) else 0.0 for one in taken]
    return taken[int(np.argsort(correlations)[len(taken) // 2])]


@pytest.mark.parametrize("deep", [False, True])
def test_sigma_is_estimated(deep: bool) -> None:
    smooth = np.add.outer(np.arange(300), np.arange(401)) % 200 * 0.2 + 100
    for sigma in (5, 25, 50):
        x = smooth + sigma * np.random.default_rng(sigma).normal(size=smooth.shape)
        x = np.clip(x * 257, 0, 65535).astype(np.uint16) if deep else np.clip(np.rint(x), 0, 255).astype(np.uint8)
        found = estimate_noise(x[..., None])
        assert found is not None
        assert found.sigma == pytest.approx(sigma, rel=0.1)
        assert found.correlation == pytest.approx(1, abs=0.1)
    assert estimate_noise(np.zeros((7, 9, 1), np.uint8)) is None
    flat = estimate_noise(np.full((9, 9, 3), 7, np.uint8))
    assert flat is not None
    assert flat.sigma == 0


@pytest.mark.parametrize("sigma", [3, 10, 30])
def test_texture_is_no_noise_and_white_noise_on_it_is_detected(scene: np.ndarray, sigma: float) -> None:
    clean, found = estimate_noise(scene), estimate_noise(white(scene, sigma))
    assert clean is not None
    assert found is not None
    assert clean.sigma < 1.5
    assert found.sigma == pytest.approx(sigma, rel=0.15)
    assert found.correlation < 1.3


@pytest.mark.parametrize("quality", [5, 10, 30, 50, 75, 85])
def test_the_quality_of_a_jpeg_is_read_from_its_pixels(scene: np.ndarray, quality: int) -> None:
    cut = coded(np.pad(scene, ((3, 0), (5, 0), (0, 0)), mode="edge"), quality, subsampling=0)[3:, 5:]
    for pixels in (coded(scene, quality), cut, coded(gray(scene), quality)):
        found = jpeg_quality(pixels)
        assert found is not None
        assert abs(found - quality) <= 3


def test_blocks_are_found_where_there_is_little_else() -> None:
    slope = np.broadcast_to(np.linspace(40, 200, 400)[None, :, None], (300, 400, 3))
    colors = np.rint(slope * [1, 0.5, 0.8] + 0.1 * np.arange(300)[:, None, None]).astype(np.uint8)
    assert jpeg_quality(colors) is None
    for quality in (20, 50):
        assert jpeg_quality(coded(colors, quality)) == pytest.approx(quality, abs=3)


def test_no_jpeg_is_found_where_none_was(scene: np.ndarray) -> None:
    pixelated = np.kron(scene[::8, ::8], np.ones((8, 8, 1), np.uint8))
    for pixels in (scene, white(scene, 5), white(scene, 25), photographed(scene, 300), gray(scene), pixelated):
        assert jpeg_quality(pixels) is None
    assert jpeg_quality(scene[:23]) is None


def test_the_model_follows_from_the_damage(scene: np.ndarray) -> None:
    def chosen(pixels: np.ndarray) -> str | None:
        return choose_denoiser(Photo(pixels)).model

    assert chosen(scene) is None
    assert chosen(white(scene, 15)) == "denoise-color"
    assert chosen(white(gray(scene), 15)) == "denoise-gray"
    assert chosen(photographed(scene, 200)) == "denoise-real"
    assert chosen(coded(photographed(scene, 200), 95)) == "denoise-real"
    assert chosen(coded(scene, 40)) == "denoise-real"
    assert chosen(coded(gray(scene), 40)) == "denoise-real"
    assert chosen(np.zeros((4, 4, 3), np.uint8)) is None


def test_the_tables_of_a_file_say_its_quality(scene: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(scene).save(tmp_path / "a.jpg", quality=88)
    Image.fromarray(scene).save(tmp_path / "a.png")
    assert read_photo(tmp_path / "a.jpg").info.quality == 88
    assert read_photo(tmp_path / "a.png").info.quality is None
    Image.fromarray(coded(scene, 30)).save(tmp_path / "again.jpg", quality=95)  # the first time is what shows
    assert choose_denoiser(read_photo(tmp_path / "again.jpg")).model == "denoise-real"


def test_frames_of_a_film_share_a_model(scene: np.ndarray) -> None:
    noisy, clean = choose_denoiser(Photo(white(scene, 15))), choose_denoiser(Photo(scene))
    real = choose_denoiser(Photo(photographed(scene, 200)))
    assert choose_for_video([clean, noisy, real, noisy, clean]).model == "denoise-color"
    assert choose_for_video([clean, noisy, clean, real, clean]).model is None
    weaker = choose_denoiser(Photo(white(scene, 8)))
    found = choose_for_video([clean, weaker, noisy, noisy, clean])
    assert found.sigma == noisy.sigma
    assert found.why == f"{noisy.why}, in 3 of 5 sampled frames"


def film_of(frames: list[np.ndarray], path: Path) -> Path:
    tifffile.imwrite(path, np.stack(frames), photometric="rgb")
    return path


def test_a_film_is_looked_at_before_its_first_frame(scene: np.ndarray, tmp_path: Path) -> None:
    small = scene[:120]
    dark_titles = [np.zeros_like(small)] * 2
    path = film_of([*dark_titles, *[white(small, 15)] * 5, photographed(small, 200), small], tmp_path / "a.tif")
    choices = ModelChooser(lambda photo, choice: choice)
    with choices.video_context(open_video(path)):
        assert {choices(Photo(pixels)).model for pixels in (small, photographed(small, 200))} == {"denoise-color"}
    assert choices(Photo(small)).model is None
    with pytest.warns(Note, match=r"^denoise-color for 1 of 2 images and videos, no model for 1 of 2 images and"):
        choices.report()
    refused = ModelChooser(lambda photo, choice: choice.withdrawn())
    with refused.video_context(open_video(path)):
        assert refused(Photo(small)).model is None


@needs_models
def test_the_figures_of_a_film_say_the_model_and_why_once(scene: np.ndarray, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "in").mkdir()
    small = scene[:96, :128]
    film_of([white(small, 15)] * 2, tmp_path / "in" / "a.tif")
    film_of([small] * 2, tmp_path / "in" / "b.tif")
    for source, out in ((tmp_path / "in" / "a.tif", tmp_path / "a.tif"), (tmp_path / "in", tmp_path / "out")):
        with pytest.raises(SystemExit):
            main(["denoise", str(source), "--out", str(out), "--json"])
        captured = capsys.readouterr()
        rows = json.loads(captured.out)["files"]
        assert [row["model"] for row in rows] == ["denoise-color", None][: len(rows)]
        assert rows[0]["sigma"] == pytest.approx(15, abs=2)
        assert "white noise" in rows[0]["why"]
        assert rows[-1]["jpeg_quality"] is None
        assert "denoise-color" not in captured.err


@needs_models
def test_the_model_and_the_reason_are_reported(scene: np.ndarray, tmp_path: Path, capsys: Any) -> None:
    with pytest.warns(Note, match=r"^denoise-color: white noise of σ 1[45]\.\d$"):
        isthmus.denoise(white(scene, 15))
    with pytest.warns(Note, match=r"^no model: neither noise nor JPEG artifacts found"):
        assert np.array_equal(isthmus.denoise(scene), scene)
    two = np.stack([scene, coded(scene, 20)]).transpose(0, 3, 1, 2)
    with pytest.warns(Note, match=r"^no model for 1 of 2 images, denoise-real for 1 of 2 images$"):
        isthmus.denoise(two)
    Image.fromarray(scene).save(tmp_path / "a.jpg", quality=40)
    with pytest.raises(SystemExit):
        main(["denoise", str(tmp_path / "a.jpg"), "--out", str(tmp_path / "b.png"), "--json"])
    row = json.loads(capsys.readouterr().out)["files"][0]
    assert (row["model"], row["jpeg_quality"], row["why"][:18]) == ("denoise-real", 40, "JPEG of quality 40")


@needs_models
def test_a_named_model_is_always_used(scene: np.ndarray) -> None:
    assert not np.array_equal(isthmus.denoise(scene, model="denoise-real"), scene)


@needs_models
def test_blocks_are_removed_before_enlarging(scene: np.ndarray) -> None:
    def error(pixels: np.ndarray) -> float:
        return float(((pixels.astype(float) - scene)[:140] ** 2).mean())

    small = coded(np.asarray(Image.fromarray(scene).resize((WIDE // 2, HIGH // 2), Image.Resampling.BICUBIC)), 30)
    rows: list[dict[str, Any]] = []
    with_blocks, without = (isthmus.upscale(small, deblock=one, each=rows.append) for one in (False, True))
    assert error(without) < 0.95 * error(with_blocks)
    assert "JPEG of quality 30" in rows[1]["why"]
    assert "why" not in rows[0]


@needs_models
def test_noise_of_a_camera_and_blocks_are_taken_away(scene: np.ndarray) -> None:
    for bad in (photographed(scene, 200), coded(photographed(scene, 400), 70), coded(scene, 20)):
        before, after = (((one.astype(float) - scene)[:140] ** 2).mean() for one in (bad, isthmus.denoise(bad)))
        assert after < 0.8 * before


def test_the_noise_of_a_film_is_not_white_and_not_of_each_channel(scene: np.ndarray, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    for name, codec, model in (("lossy.mp4", "mpeg4", "denoise-real"), ("kept.mkv", "ffv1", "denoise-gray")):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream(codec, rate=10)
            stream.height, stream.width = scene.shape[:2]
            stream.pix_fmt = "yuv420p"
            noisy = white(scene, 15)
            for packet in (*stream.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")), *stream.encode()):
                container.mux(packet)
        choices = ModelChooser(lambda photo, choice: choice)
        with choices.video_context(open_video(tmp_path / name)):
            assert choices(Photo(scene)).model == model


def test_the_model_of_x_rays_is_not_used_for_slices_in_silence(scene: np.ndarray) -> None:
    pydicom = pytest.importorskip("pydicom")

    def told(modality: str | None, named: str = "xray") -> str:
        data = pydicom.Dataset()
        if modality is not None:
            data.Modality = modality
        return model_warning(named, Photo(gray(scene), info=Info(dicom=data)))

    assert told("CT").startswith("xray was trained on X-rays, and this image has modality CT")
    assert not any((told("DX"), told(None), told("CT", "denoise-gray"), model_warning("xray", Photo(gray(scene)))))
