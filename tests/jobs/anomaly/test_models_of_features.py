"""detect in feature space: an autoencoder of frozen features, nearest patches and Gaussians through one detector."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import isthmus
from isthmus.data import cache, open_data
from isthmus.errors import BadInput, Note
from isthmus.jobs.anomaly.feature_models import FEATURE_KINDS
from isthmus.jobs.anomaly.kept_features import with_features
from isthmus.metrics import auroc

pytestmark = pytest.mark.jobs
SIDE = 64


class Backbone(torch.nn.Module):
    """Two layers of strides 4 and 8: colors and edges, as a fixed function."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        gray = x.mean(1, keepdim=True)
        edges = torch.cat([gray[..., 1:, 1:] - gray[..., :-1, 1:], gray[..., 1:, 1:] - gray[..., 1:, :-1]], 1).abs()
        edges = torch.nn.functional.pad(edges, (1, 0, 1, 0))
        fine = torch.nn.functional.avg_pool2d(torch.cat([x, edges], 1), 4)
        return fine, torch.nn.functional.avg_pool2d(fine, 2)


def parts(count: int, seed: int) -> np.ndarray:
    """count×SIDE×SIDE uint8: noisy rings of nearly one place."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    found = []
    for _ in range(count):
        radius = np.hypot(rows - 32 - random.normal(0, 0.5), columns - 32 - random.normal(0, 0.5))
        found.append(90 + 70 * np.exp(-(((radius - 18) / 5) ** 2)) + random.normal(0, 4, (SIDE, SIDE)))
    return np.stack(found).clip(0, 255).astype(np.uint8)


def with_scratch(x: np.ndarray) -> np.ndarray:
    made = x.copy()
    made[:, 28:34, 10:26] = 230
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("parts")
    for number, picture in enumerate(parts(40, 0)):
        Image.fromarray(picture).save(top / f"{number:02d}.png")
    return top


def trained(folder: Path, out: Path, **keys: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return isthmus.train(
            "detect", folder, out=out, features=Backbone(), validation=0.3, test=0.0, quiet=True, **keys
        )


@pytest.mark.parametrize("kind", FEATURE_KINDS)
def test_each_kind_finds_and_locates_a_scratch_that_it_has_not_seen(kind: str, folder: Path, tmp_path: Path) -> None:
    run = trained(folder, tmp_path / "run", kind=kind, **({"epochs": 30} if kind == "feature-autoencoder" else {}))
    good, bad = parts(30, 1), with_scratch(parts(30, 2))
    found = run.model.detect(np.concatenate([good, bad]))
    assert auroc(found.score.numpy(), np.repeat([False, True], 30)) > 0.99
    peaks = found.map[30:].flatten(1).argmax(1)
    rows, columns = peaks // SIDE, peaks % SIDE
    assert ((rows > 20) & (rows < 42) & (columns > 2) & (columns < 34)).all()

    loaded = isthmus.load(tmp_path / "run", features=Backbone())
    again = loaded.detect(np.concatenate([good, bad]))
    assert torch.equal(again.score, found.score)
    assert torch.equal(again.map, found.map)


def test_a_model_that_only_measures_takes_no_step_and_no_weights(folder: Path, tmp_path: Path) -> None:
    run = trained(folder, tmp_path / "run", kind="gaussian")
    assert run.history == []
    assert not run.model.learns
    assert (tmp_path / "run" / "index.html").is_file()
    resumed = trained(folder, tmp_path / "run", kind="gaussian", resume=True)
    x = parts(3, 5)
    assert torch.equal(resumed.model.detect(x).score, run.model.detect(x).score)


def test_a_run_of_an_own_module_says_how_it_is_loaded(folder: Path, tmp_path: Path) -> None:
    trained(folder, tmp_path / "run", kind="gaussian")
    with pytest.raises(BadInput, match=r"load it with isthmus.load\(run, features=...\)"):
        isthmus.load(tmp_path / "run")


def test_the_autoencoder_learns_what_it_reconstructs(folder: Path, tmp_path: Path) -> None:
    run = trained(folder, tmp_path / "run", epochs=40)
    assert run.history[-1]["validation_loss"] < 0.7 * run.history[0]["validation_loss"]


@pytest.mark.parametrize("on_disk", [False, True])
def test_features_are_kept_as_they_are_computed(
    on_disk: bool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "MIN_BYTES", 0)
    if on_disk:
        monkeypatch.setattr("isthmus.data.base.MEMORY_BUDGET", 2**14)
    data = open_data(str(folder))
    model = isthmus.create("detect", shape=data.shape, features=Backbone(), kind="gaussian")
    first, second = with_features(model, data), with_features(model, data)
    assert len(list((tmp_path / "decoded").glob("features-*"))) == 1
    chosen = np.array([3, 0, 39])
    wanted = model.features.raw(data.floats(chosen))  # type: ignore[union-attr]
    for kept in (first, second):
        found = kept.sample(chosen).in_units().condition["features"]
        assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-4)
    assert isinstance(first.further["features"].items, Tensor) is not on_disk


@pytest.mark.parametrize(("quiet", "slow"), [(False, True), (True, True), (False, False)])
def test_a_long_computation_of_features_shows_its_progress(
    quiet: bool, slow: bool, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = itertools.count(step=20.0 if slow else 0.1)
    monkeypatch.setattr("isthmus.training.progress.time.perf_counter", lambda: next(clock))
    data = open_data(str(folder))
    model = isthmus.create("detect", shape=data.shape, features=Backbone(), kind="gaussian")
    with_features(model, data, quiet)
    lines = capsys.readouterr().err.splitlines()
    if quiet or not slow:
        assert lines == []
        return
    assert lines[0].startswith("features: about 50 s in total, until ")
    assert lines[1:] == ["features of image 16/40  30 s left", "features of image 32/40  10 s left", *lines[3:]]


def test_features_without_room_are_computed_in_every_step_and_a_note_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path))
    monkeypatch.setenv("ISTHMUS_CACHE_GB", "0")
    monkeypatch.setattr(cache, "MIN_BYTES", 0)
    monkeypatch.setattr("isthmus.data.base.MEMORY_BUDGET", 2**14)
    data = open_data(str(folder))
    model = isthmus.create("detect", shape=data.shape, features=Backbone(), kind="gaussian")
    with pytest.warns(Note, match="features of 40 images, .* GB in half precision, fit neither in memory nor"):
        assert "features" not in with_features(model, data).further


def test_values_that_models_of_features_refuse() -> None:
    def create(**keys: Any) -> Any:
        return isthmus.create("detect", shape=(1, SIDE, SIDE), features=Backbone(), **keys)

    with pytest.raises(BadInput, match="kind of a model of features 'repairing'"):
        create(kind="repairing")
    with pytest.raises(BadInput, match="score error: compares images; of features distance, features, gaussian"):
        create(score="error")
    with pytest.raises(BadInput, match="score distance: needs kind=feature-autoencoder"):
        create(kind="gaussian", score="distance")
    with pytest.raises(BadInput, match="give only one of them"):
        create(code=8)
    with pytest.raises(BadInput, match="score gaussian: needs a network of features; train with features=auto"):
        isthmus.create("detect", shape=(1, SIDE, SIDE), kind="repairing", score="gaussian")
    with pytest.raises(BadInput, match="needs images"):
        isthmus.create("detect", shape=(12,), features=Backbone())
    with pytest.raises(BadInput, match="grid=100000: 0 to 64, the smaller side of these images"):
        create(grid=100_000)
    with pytest.raises(BadInput, match="jitter is -1: 0 or more is accepted"):
        create(jitter=-1)
    with pytest.raises(BadInput, match="dropout=1: 0 or more and less than 1 is accepted"):
        create(dropout=1)
    with pytest.raises(BadInput, match="'gausian': did you mean 'gaussian'"):
        isthmus.create("detect", shape=(1, SIDE, SIDE), kind="gausian")


def test_a_verb_that_would_write_features_as_images_is_refused(folder: Path, tmp_path: Path) -> None:
    run = trained(folder, tmp_path / "run", epochs=1)
    for verb, arguments in {"reconstruct": (folder,), "generate": (), "interpolate": (folder, folder)}.items():
        with pytest.raises(BadInput, match=f"{verb} would give features, not images; isthmus detect uses it"):
            getattr(isthmus, verb)(run.model, *arguments)
    with pytest.raises(BadInput, match="a model of features restores no image"):
        isthmus.evaluate(run.model, str(folder), sigma=25)
    codes = isthmus.embed(run.model, folder)
    assert codes["codes"].shape[0] == 40


def test_features_that_are_computed_in_every_step_train_as_well(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = trained(folder, tmp_path / "kept", epochs=1)
    monkeypatch.setattr("isthmus.jobs.anomaly.kept_features.with_features", lambda model, data, quiet: data)
    run = trained(folder, tmp_path / "run", epochs=1)
    assert set(kept.data.further) == {"features"}
    assert not run.data.further
    assert run.history[0]["loss"] == pytest.approx(kept.history[0]["loss"], rel=1e-3)  # half precision


def test_several_parts_of_a_score_are_combined(folder: Path, tmp_path: Path) -> None:
    run = trained(folder, tmp_path / "run", score="distance+gaussian+features", epochs=20)
    assert run.model.detect(with_scratch(parts(5, 3))).bad.all()


def test_export_gives_the_scores_of_detect(folder: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    for kind in FEATURE_KINDS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run = trained(folder, tmp_path / kind, kind=kind, epochs=2)
            isthmus.export(run.model, tmp_path / f"{kind}.onnx")
        x = parts(4, 7)[:, None].astype(np.float32) / 255
        session = onnxruntime.InferenceSession(tmp_path / f"{kind}.onnx")
        score, found = session.run(["score", "map"], {"input": x})
        wanted = run.model.detect(torch.from_numpy(x), unit=True)
        assert np.allclose(score, wanted.score.numpy(), rtol=1e-3, atol=1e-3)
        assert np.allclose(found, wanted.map.numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", FEATURE_KINDS)
def test_images_that_are_no_part_at_all_are_anomalous(kind: str, folder: Path, tmp_path: Path) -> None:
    run = trained(folder, tmp_path / "run", kind=kind, **({"epochs": 20} if kind == "feature-autoencoder" else {}))
    random = np.random.default_rng(0)
    black, noise = np.zeros((1, SIDE, SIDE), np.uint8), random.integers(0, 256, (1, SIDE, SIDE), dtype=np.uint8)
    assert run.model.detect(np.concatenate([black, noise, 255 - black])).bad.all()


def test_auto_takes_the_shipped_features_and_says_so(folder: Path, tmp_path: Path) -> None:
    with pytest.warns(Note, match="features: those that Isthmus ships"):
        run = isthmus.train("detect", folder, out=tmp_path / "run", validation=0.3, test=0.0, epochs=1, quiet=True)
    assert run.model.about["options"]["kind"] == "auto"
    assert run.model.features is not None
    x = parts(2, 1)
    assert torch.equal(isthmus.load(tmp_path / "run").detect(x).score, run.model.detect(x).score)


@pytest.mark.parametrize(
    ("shape", "keys", "kind"),
    [
        ((1, 64, 64), {}, "feature-autoencoder"),
        ((3, 256, 200), {}, "feature-autoencoder"),
        ((1, 48, 64), {}, "repairing"),
        ((1, 28, 28), {}, "denoising"),
        ((1, 64, 64), {"code": 8}, "denoising"),
        ((1, 64, 64), {"net": "conv"}, "denoising"),
        ((1, 64, 64), {"kind": "gaussian"}, "gaussian"),
        ((1, 64, 64), {"kind": "gaussian", "features": "auto"}, "gaussian"),
        ((12,), {}, "denoising"),
    ],
)
def test_the_kind_that_auto_is(shape: tuple[int, ...], keys: dict[str, Any], kind: str) -> None:
    model = isthmus.create("detect", shape=shape, **keys)
    of_features = kind in FEATURE_KINDS
    assert (model.features is not None) is of_features
    assert model.learns is (kind not in ("gaussian", "nearest-patches"))
    assert model.predicts_mask is (kind == "repairing")


def test_a_map_is_relative_to_the_calm_part_of_its_image_and_the_score_is_not(folder: Path, tmp_path: Path) -> None:
    run = trained(folder, tmp_path / "run", kind="gaussian")
    detector = run.model.parts["detector"]
    maps = torch.rand(2, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) + 1
    both = torch.cat([maps, maps * 4])
    found = detector.relative_to_calm(both)
    torch.testing.assert_close(found[2:], found[:2] * 2)  # four times the distance everywhere is a map of twice
    quartile = maps.flatten(1).quantile(0.25, dim=1)
    torch.testing.assert_close(found[:2], maps / quartile.sqrt().view(-1, 1, 1), rtol=0.05, atol=0)
