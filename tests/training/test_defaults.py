"""Trainings with defaults on few pictures: never below PCA, and a line that says so."""

from __future__ import annotations

import html
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import isthmus
from isthmus import store
from isthmus.corruptions import Zoom
from isthmus.errors import BadInput
from isthmus.metrics import psnr
from isthmus.networks import LinearPathEncoder, Principal
from isthmus.training import time_budget
from isthmus.training.baselines import improving, verdict
from isthmus.types import Context, Noise, Sample

pytestmark = pytest.mark.usefixtures("one_thread")
TYPES: list[tuple[str, dict[str, Any]]] = [
    ("conv", {"channels": "8,8,8"}),
    ("denoising", {"corruption": "gaussian:0.1"}),
    ("sparse", {"kind": "l1"}),
    ("sparse", {"kind": "kl"}),
    ("sparse", {"kind": "topk", "k": 8}),
    ("contractive", {}),
    ("deep", {"widths": "32"}),
    ("undercomplete", {}),
    ("undercomplete", {"activation": "tanh"}),
    ("linear", {}),
    ("variational", {}),
]


def blobs(count: int, side: int = 40, seed: int = 0) -> np.ndarray:
    """Pictures like photos: smooth, of many sizes, in color. N×3×side×side uint8."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    waves = [np.cos(math.pi * (a * x + b * y) + p) / (1 + a + b) for a in range(5) for b in range(5) for p in (0, 1.5)]
    weights = random.normal(0, 0.3, (count, 3, len(waves))) + random.normal(0, 0.3, (count, 1, len(waves)))
    return (255 / (1 + np.exp(-np.einsum("ncw,wyx->ncyx", weights, np.stack(waves))))).astype(np.uint8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number, picture in enumerate(blobs(60)):
        Image.fromarray(np.moveaxis(picture, 0, -1)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(("recipe", "keys"), TYPES, ids=lambda value: str(value))
def test_few_pictures_are_never_rebuilt_worse_than_by_pca(recipe: str, keys: dict[str, Any], photos: Path) -> None:
    run = isthmus.train(recipe, photos, out=photos.parent / f"{recipe}{keys}", code=16, epochs=2, quiet=True, **keys)
    held = run.data.floats(run.parts["test"])
    seen = held if run.model.corruption is None else run.model.corruption(Sample.of(held), Context(Noise(0, 0, 6))).x
    numbers = 8 if keys.get("kind") == "topk" else 16
    principal = Principal(run.data.floats(run.parts["train"]), numbers)

    def decibels(picture: torch.Tensor) -> float:
        return float(psnr(picture.view_as(held).clamp(0, 1), held).mean())

    ours, pca = decibels(run.model.reconstruct(seen, unit=True)), decibels(principal.rebuilt(seen))
    mean = decibels(principal.mean.expand(len(held), -1))
    if recipe == "variational":  # which pays for what it keeps
        assert ours > mean + 2
        generated = run.model.sample(32).flatten(1).std(1).mean()
        assert generated > 0.5 * held.flatten(1).std(1).mean()
    elif keys.get("kind") == "l1":  # a component takes two of its units, and there are only sixteen
        assert ours > decibels(Principal(run.data.floats(run.parts["train"]), 8).rebuilt(seen)) - 0.2
    else:
        assert ours > pca - 0.1
    beside = store.read_json(run.path / store.METRICS)["beside"]
    assert beside["pca"]["psnr"] > beside["mean"]["psnr"]
    assert beside["verdict"].startswith(
        f"PSNR of the mean error {-10 * math.log10(beside['mse_per_pixel']):.2f} dB on the"
    )
    assert html.escape(beside["verdict"]) in (run.path / store.PAGE).read_text(encoding="utf-8")


def test_a_code_that_is_asked_for_as_a_grid_or_a_loss_with_a_sigmoid_has_no_linear_path() -> None:
    for keys in ({"code": "8x5x5"}, {"loss": "bce"}, {"linear": "no"}):
        model = isthmus.create("conv", shape=(3, 40, 40), **keys)
        assert not isinstance(model.encoder, LinearPathEncoder)
    with pytest.raises(BadInput, match="linear=yes: needs a code vector"):
        isthmus.create("conv", shape=(3, 40, 40), code="8x5x5", linear="yes")


def test_the_weights_that_are_best_on_the_validation_part_are_kept_and_described() -> None:
    rates = {"schedule": "constant", "lr": 1e-3, "warmup": 0.0}
    x = blobs(40, 12)[:, :1]

    def spoil(training: Any) -> None:
        if len(training.history) == 3:  # from the fourth epoch on nothing good comes any more
            training.options["lr"] = 3.0

    model = isthmus.create("undercomplete", shape=(1, 12, 12), code=16)
    run = isthmus.fit(model, x, epochs=6, validation=0.2, quiet=True, callbacks={"epoch": spoil}, **rates)
    losses = [row["validation_loss"] for row in run.history]
    assert min(losses) < losses[-1]
    assert run.metrics["kept_epoch"] == 1 + int(np.argmin(losses))
    assert run.metrics["validation_loss"] == min(losses)
    kept = isthmus.evaluate(run.model, run.data, split="validation")
    assert kept["bce_per_pixel"] * 144 == pytest.approx(min(losses), rel=1e-4)


def test_batches_and_steps_follow_the_size_of_the_set_unless_they_are_named(tmp_path: Path) -> None:
    x = blobs(50, 12)

    def training(**keys: Any) -> dict[str, Any]:
        model = isthmus.create("conv", shape=(3, 12, 12), channels="8", blocks=0)
        return isthmus.fit(model, x, quiet=True, **keys).model.about["training"]

    few = training(least_steps=60)
    assert (few["batch_size"], few["epochs"]) == (8, 30)  # five batches an epoch are 150 steps
    assert training(least_steps=200)["epochs"] == 40
    named = training(batch_size=16, epochs=2)
    assert (named["batch_size"], named["epochs"]) == (16, 2)


def test_a_budget_is_spent_on_steps_and_not_on_a_few_large_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_budget, "LEAST_STEPS", 10**9)  # as if every step took minutes
    model = isthmus.create("conv", shape=(3, 12, 12), channels="8", blocks=0)
    options = isthmus.fit(model, blobs(600, 12), quiet=True, budget=2).model.about["training"]
    assert options["batch_size"] == time_budget.LEAST_BATCH


MEAN, PCA = {"psnr": 14.0, "mse_per_pixel": 0.04}, {"psnr": 19.0, "mse_per_pixel": 0.0126}


@pytest.mark.parametrize(
    ("error", "steps", "kept", "improving", "text"),
    [
        (
            0.01,
            1000,
            3,
            True,
            "20.00 dB on the validation split; the mean of all items 13.98 dB, PCA with 8 numbers 19.00 dB",
        ),
        (0.016, 1000, 3, True, "Worse than PCA: train longer"),
        (0.016, 1000, 3, False, "Worse than PCA: add training data, or try another --code"),
        (
            0.016,
            1000,
            0,
            True,
            "Worse than PCA. No epoch improved on the initial weights, which are PCA: add training data",
        ),
        (0.01, 1000, 0, True, "No epoch improved on the initial weights, which are PCA: add training data"),
        (0.01, 3, 0, True, "No epoch improved on the initial weights, which are PCA: add training data"),
        (0.04, 1000, 3, True, "No better than the mean: train longer"),
        (0.01, 3, 3, True, "3 steps are too few to judge a model by: train longer"),
        (0.01, 3, 3, False, "PCA with 8 numbers 19.00 dB"),
    ],
)
def test_verdict_advises_longer_training_only_while_it_improves(
    error: float, steps: int, kept: int, improving: bool, text: str
) -> None:
    figures = {"part": "validation", "psnr": 1.0, "mse_per_pixel": error, "mean": MEAN, "pca": PCA, "numbers": 8}
    line = verdict(figures, steps, kept, improving)
    assert text in line
    assert ("train longer" in line) == ("train longer" in text)
    assert not ("train longer" in line and "training data" in line)


@pytest.mark.parametrize(
    ("losses", "expected"), [([3, 2, 1], True), ([1], True), ([3, 1, 2], False), ([1] + [2] * 9, False)]
)
def test_a_training_improves_if_its_lowest_loss_is_at_the_end(losses: list[float], expected: bool) -> None:
    assert improving([{"loss": 9.0, "validation_loss": loss} for loss in losses]) == expected
    assert improving([{"loss": loss} for loss in losses]) == expected


@pytest.mark.parametrize("kind", ["repairing", "inpainting", "denoising"])
def test_a_detector_is_compared_with_baselines(kind: str, tmp_path: Path) -> None:
    x = blobs(40, 40)[:, :1]
    small: dict[str, Any] = {"channels": (8, 8)} if kind != "denoising" else {"code": 4}
    run = isthmus.train("detect", x, out=tmp_path / "run", kind=kind, epochs=1, quiet=True, **small)
    beside = store.read_json(run.path / store.METRICS)["beside"]
    assert beside["mean"]["psnr"] > 5
    other = {"repairing": "the corrupted input itself", "inpainting": "input itself", "denoising": "PCA with 4 numbers"}
    assert other[kind] in beside["verdict"]
    assert "too few to judge" not in beside["verdict"], "which the detector's own note says"


def test_zoom_shows_a_part_of_a_picture_and_the_same_of_its_target() -> None:
    ramp = torch.linspace(0, 1, 32).expand(64, 1, 32, 32)
    context = Context(Noise(0, 0, 64), progress=0.0)
    seen = Zoom(0.5)(Sample(ramp, ramp + 1), context)
    assert torch.allclose(seen.x + 1, seen.target, atol=1e-6)
    slopes = (seen.x[..., -1] - seen.x[..., 0]).mean((1, 2))
    assert ((slopes.abs() > 0.49) & (slopes.abs() < 1.01)).all()  # the whole at most, half of it at least
    assert 20 < int((slopes < 0).sum()) < 44  # half of them mirrored
    assert torch.equal(Zoom(0.5)(Sample.of(ramp), context.replace(progress=0.95)).x, ramp)


def test_pictures_of_one_size_are_made_smaller_for_a_code_of_numbers(tmp_path: Path) -> None:
    for number, picture in enumerate(blobs(4, 96)):
        Image.fromarray(np.moveaxis(picture[:, :60], 0, -1)).save(tmp_path / f"{number}.png")
    for recipe in ("linear", "conv"):  # whose stride divides neither of the sides
        run = isthmus.train(recipe, tmp_path, out=tmp_path / recipe, epochs=1, quiet=True)
        assert run.model.shape == (3, 40, 64)
        assert any("96" in note and "--size" in note for note in run.data.notes)
    one = isthmus.train("linear", tmp_path / "0.png", out=tmp_path / "one", epochs=1, validation=0.0, quiet=True)
    assert one.model.shape == (3, 40, 64)


def test_twelve_bits_are_restored_in_their_own_values(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number, picture in enumerate(blobs(6, 36)):
        Image.fromarray(picture[0].astype(np.uint16) * 16).save(tmp_path / f"in/{number}.tif")
    isthmus.train("linear", tmp_path / "in", out=tmp_path / "run", epochs=1, quiet=True, white=4095)
    isthmus.reconstruct(tmp_path / "run", tmp_path / "in", out=tmp_path / "out")
    isthmus.reconstruct(tmp_path / "run", tmp_path / "in", out=tmp_path / "out.npy")
    with Image.open(tmp_path / "out/0.tif") as file:
        pixels = np.asarray(file)
    assert pixels.dtype == np.uint16
    assert np.abs(pixels - np.load(tmp_path / "out.npy")[0, 0].clip(0)).max() <= 1
    assert 1000 < pixels.mean() < 4095


def test_codes_of_a_table_are_decoded(tmp_path: Path) -> None:
    model = isthmus.create("linear", shape=(1, 6, 6), code=4)
    model.save(tmp_path / "run")
    x = blobs(3, 6)[:, :1]
    isthmus.embed(tmp_path / "run", x, out=tmp_path / "codes.csv")
    assert torch.equal(isthmus.decode(tmp_path / "run", tmp_path / "codes.csv"), model.reconstruct(x))


def test_a_net_without_a_linear_path_starts_at_the_mean_color_of_the_data() -> None:
    dark = torch.tensor([0.1, 0.3, 0.6]).view(1, 3, 1, 1).expand(20, 3, 24, 24)
    model = isthmus.create("quantized", shape=(3, 24, 24), channels="8,8", codes=4)
    model.start(iter([Sample.of(part) for part in dark.split(8)]))
    (bias,) = (weight for name, weight in model.decoder.named_parameters() if weight.shape == (3,))
    assert torch.allclose(bias.sigmoid(), torch.tensor([0.1, 0.3, 0.6]), atol=1e-4)


@pytest.mark.parametrize(("sigma", "keys", "noted"), [(0, {}, False), (25, {}, True), (25, {"noise": 1}, False)])
def test_noisy_pictures_to_learn_from_as_clean_are_noted(
    sigma: int, keys: dict[str, int], noted: bool, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for number, picture in enumerate(blobs(6, 64)):
        noisy = np.clip(picture + random.normal(0, sigma, picture.shape), 0, 255).round().astype(np.uint8)
        Image.fromarray(np.moveaxis(noisy, 0, -1)).save(tmp_path / f"in/{number}.png")
    corruption = {"corruption": "neighbors"} if keys else {}
    small: dict[str, Any] = {"epochs": 1, "channels": "4,8", "crop": 16, "quiet": True, **corruption}
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        isthmus.train("denoise", tmp_path / "in", out=tmp_path / "run", **small)
    assert any("seem noisy (σ" in str(note.message) for note in notes) == noted
