"""train generate: the autoencoder, then its prior, in one command; the page, the metrics and the scores of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import isthmus
from isthmus import store
from isthmus.errors import BadInput
from isthmus.jobs.generation import fitted
from isthmus.jobs.generation.prior_files import prior_file


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty squares of random colors on black."""
    folder, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(60):
        picture = np.zeros((16, 16, 3), np.uint8)
        top, left = random.integers(0, 8, 2)
        picture[top : top + 8, left : left + 8] = random.integers(100, 256, 3)
        Image.fromarray(picture).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> isthmus.Run:
    out = tmp_path_factory.mktemp("runs") / "g"
    return isthmus.train("generate", photos, out=out, kind="variational", code=4, epochs=5, least_steps=10, quiet=True)


def test_one_command_trains_the_autoencoder_and_its_prior(run: isthmus.Run) -> None:
    assert run.path is not None
    assert prior_file(run.path, "mixture").is_file()
    assert run.self_check is not None
    assert run.self_check.startswith("prior: mixture, fitted to")
    assert "nearest" in (run.path / store.PAGE).read_text()
    assert isthmus.generate(run.path, 3).shape == (3, 3, 16, 16)


def test_describe_names_the_prior(run: isthmus.Run) -> None:
    assert run.path is not None
    assert isthmus.describe(run.path)["parts"] == [run.self_check]


def test_an_exported_file_holds_the_autoencoder_alone(run: isthmus.Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    assert run.path is not None
    assert isthmus.export(run.path, tmp_path / "model.onnx").is_file()


def test_evaluation_compares_samples_with_held_back_images(run: isthmus.Run, photos: Path) -> None:
    figures = isthmus.evaluate(run.path, photos, split="all")
    assert figures["prior"] == "mixture"
    assert figures["samples"] == 60
    assert figures["frechet_distance"] > figures["frechet_floor"] > 0
    assert all(0 <= figures[name] <= 1 for name in ("precision", "recall", "coverage"))
    assert 0 <= figures["duplicates"] <= 60
    assert figures["features"] == "isthmus features"
    assert figures["psnr"] > 0


def test_resuming_a_finished_run_fits_nothing(run: isthmus.Run, photos: Path) -> None:
    assert run.path is not None
    before = prior_file(run.path, "mixture").stat().st_mtime_ns
    isthmus.train(
        "generate", photos, out=run.path, kind="variational", code=4, epochs=5, least_steps=10, resume=True, quiet=True
    )
    assert prior_file(run.path, "mixture").stat().st_mtime_ns == before


def test_a_lost_prior_is_fitted_again_by_resume(run: isthmus.Run, photos: Path) -> None:
    assert run.path is not None
    prior_file(run.path, "mixture").unlink()
    isthmus.train("generate", photos, out=run.path, resume=True, quiet=True)
    assert prior_file(run.path, "mixture").is_file()


def test_a_share_of_the_budget_is_for_the_prior(photos: Path, tmp_path: Path) -> None:
    isthmus.train("generate", photos, out=tmp_path / "r", kind="variational", code=4, budget="5s", quiet=True)
    assert store.read_config(tmp_path / "r")["about"]["training"]["budget"] == pytest.approx(3)


def test_a_wrong_prior_is_refused_before_the_training(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="prior"):
        isthmus.train("generate", photos, out=tmp_path / "r", kind="variational", prior="transformer", quiet=True)
    assert not (tmp_path / "r").exists()


def test_a_table_of_labels_makes_the_prior_conditional(photos: Path, tmp_path: Path) -> None:
    rows = []
    for file in sorted(photos.iterdir()):
        top = np.asarray(Image.open(file))[:8].mean() > np.asarray(Image.open(file))[8:].mean()
        rows.append(f"{file.name},{'top' if top else 'bottom'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    options = {"kind": "variational", "code": 4, "epochs": 30, "lr": 5e-3, "augment": "none", "quiet": True}
    isthmus.train("generate", photos, out=tmp_path / "r", labels=str(tmp_path / "labels.csv"), **options)
    top, bottom = (isthmus.generate(tmp_path / "r", 32, label=label) for label in ("top", "bottom"))
    assert top[:, :, :8].mean() - top[:, :, 8:].mean() > bottom[:, :, :8].mean() - bottom[:, :, 8:].mean() + 0.02
    isthmus.fit_prior(tmp_path / "r", "flow", quiet=True, epochs=1, least_steps=0)  # the labels are opened again
    assert isthmus.generate(tmp_path / "r", 2, label="top", prior="flow").shape == (2, 3, 16, 16)
    isthmus.train("generate", photos, out=tmp_path / "r", resume=True, quiet=True)
    (tmp_path / "labels.csv").unlink()  # the nearest training images need no labels
    isthmus.generate(tmp_path / "r", 2, label="top", out=tmp_path / "new")
    assert "nearest" in (tmp_path / "new" / "samples.csv").read_text()


def test_a_table_of_labels_is_found_from_another_folder(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "l.csv").write_text("".join(f"{file.name},{int(file.name[0]) // 2}\n" for file in photos.iterdir()))
    monkeypatch.chdir(tmp_path)
    isthmus.train("conv", photos, out="r", labels="l.csv", code=4, epochs=1, least_steps=0, quiet=True)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    prior = isthmus.fit_prior(tmp_path / "r", "mixture", quiet=True)
    assert prior.about["labels"] == ["0", "1", "2"]


@pytest.mark.parametrize(("again", "resumes"), [({}, True), ({"epochs": 40}, True), ({"epochs": 3}, False)])
def test_an_interrupted_prior_resumes_with_its_own_options(
    again: dict[str, Any], resumes: bool, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isthmus.train("conv", photos, out=tmp_path / "r", code=4, epochs=1, least_steps=0, quiet=True)
    trained, begun = fitted.fit, []

    def interrupted(*arguments: Any, **options: Any) -> Any:
        def stop(training: Any) -> None:
            raise KeyboardInterrupt

        def note(training: Any) -> None:
            begun.append(training.step)

        return trained(*arguments, callbacks={"start": note, "epoch": stop if not begun else note}, **options)

    monkeypatch.setattr(fitted, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        isthmus.fit_prior(tmp_path / "r", "flow", epochs=40, least_steps=0, batch_size=20, quiet=True)
    assert (tmp_path / "r" / "training-flow").is_dir()
    first = begun.copy()
    prior = isthmus.fit_prior(tmp_path / "r", "flow", least_steps=0, batch_size=20, quiet=True, **again)
    assert not (tmp_path / "r" / "training-flow").exists()
    assert prior.about["metrics"]["epochs"] == (40 if resumes else 3)
    assert first == [0]
