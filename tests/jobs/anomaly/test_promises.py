"""Regressions: dtypes of arguments, resume of finished runs, files that are never overwritten."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import isthmus
from isthmus.autoencoder import Autoencoder
from isthmus.cli import main

RANDOM = np.random.default_rng(0)
QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 16, "device": "cpu", "quiet": True, "validation": 0.2}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.chdir(tmp_path)


def said(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit:
        main(list(arguments))
    return int(exit.value.code or 0)


@pytest.mark.parametrize(
    ("trained_on", "given"),
    [
        (RANDOM.uniform(-3, 7, (40, 6)), None),
        (RANDOM.uniform(0, 255, (40, 1, 5, 5)), None),
        (RANDOM.uniform(0, 1, (40, 1, 5, 5)), RANDOM.integers(0, 255, (9, 1, 5, 5), dtype=np.uint8)),
        (RANDOM.integers(0, 255, (40, 1, 5, 5), dtype=np.uint8), RANDOM.uniform(0, 1, (9, 1, 5, 5))),
        (RANDOM.integers(0, 60000, (40, 1, 5, 5), dtype=np.uint16), None),
    ],
    ids=["table", "bright floats", "bytes for unit floats", "unit floats for bytes", "sixteen bits"],
)
@pytest.mark.filterwarnings("ignore::isthmus.errors.Note")
def test_a_method_takes_the_numbers_that_the_verb_takes(trained_on: np.ndarray, given: np.ndarray | None) -> None:
    run = isthmus.fit(isthmus.create("undercomplete", shape=trained_on.shape[1:], code=3), trained_on, **QUICK)
    items = trained_on if given is None else given
    codes = isthmus.embed(run.model, items)["codes"]  # type: ignore[call-overload]
    assert np.allclose(run.model.encode(items), codes, atol=1e-5)
    assert torch.allclose(run.model.reconstruct(items), isthmus.reconstruct(run.model, items), atol=1e-5)


def test_a_model_of_the_built_in_digits_takes_the_arrays_of_the_same_name() -> None:
    _, test = isthmus.datasets.digits()
    model = isthmus.fit(isthmus.create("undercomplete", shape=(1, 8, 8)), "digits", **QUICK).model
    codes = isthmus.embed(model, "digits", split="test")["codes"]  # type: ignore[call-overload]
    assert np.allclose(model.encode(test), codes, atol=0.05)  # 0..16 was rounded to 0..255


def test_resume_rewrites_missing_files_of_a_finished_run() -> None:
    keys = {**QUICK, "patience": 1, "epochs": 6, "lr": 0.05}
    whole = isthmus.train("undercomplete", "digits", out="run", code=3, **keys)
    kept = {name: tensor.clone() for name, tensor in whole.model.state_dict().items()}
    for name in ("model.safetensors", "index.html", "card.md", "metrics.json", "history.csv"):
        Path("run", name).unlink()
    unfinished: Autoencoder = isthmus.load("run")  # the best weights, not the last
    assert all(torch.equal(tensor, kept[name]) for name, tensor in unfinished.state_dict().items())
    isthmus.train("undercomplete", "digits", out="run", code=3, resume=True, **keys)
    assert Path("run/index.html").is_file()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in isthmus.load("run").state_dict().items())


def test_nothing_is_written_over_unasked() -> None:
    model = isthmus.create("undercomplete", shape=(1, 8, 8))
    model.save("run")
    with pytest.raises(isthmus.BadInput, match="exists"):
        model.save("run")
    model.save("run", force=True)
    Path("digits-sheet.png").write_text("precious")
    assert said("show", "digits") == 0
    assert Path("digits-sheet.png").read_text() == "precious"
    assert Path("digits-sheet-2.png").is_file()


def test_a_resume_that_asks_for_another_size_is_refused() -> None:
    Path("photos").mkdir()
    for i in range(8):
        Image.fromarray(RANDOM.integers(0, 255, (9, 9), dtype=np.uint8)).save(f"photos/{i}.png")
    isthmus.train("undercomplete", "photos", out="run", code=3, size=8, **QUICK)
    with pytest.raises(isthmus.BadInput, match="size=8, not 6"):
        isthmus.train("undercomplete", "photos", out="run", code=3, size=6, resume=True, **QUICK)


def test_compare_is_over_the_data_of_the_run() -> None:
    np.save("own.npy", RANDOM.integers(0, 255, (30, 8, 8), dtype=np.uint8))
    isthmus.train("undercomplete", "own.npy", out="run", code=3, **QUICK)
    isthmus.evaluate("run", "digits", split="test")
    assert isthmus.compare(["run"])[0]["data"] == "own.npy (test)"


@pytest.mark.parametrize("size", [13, 17, 30, 64])
def test_pictures_of_unlucky_sizes_are_cut_all_the_same(size: int) -> None:
    Path("mix").mkdir()
    for width, height in ((58, 49), (70, 60), (61, 47), (33, 100)):
        Image.new("L", (width, height)).save(f"mix/{width}.png")
    facts, _ = isthmus.show("mix", size=size)
    assert facts["shape"] == [1, size, size]


@pytest.mark.parametrize("keys", [{"widths": "16"}, {"net": "conv"}])
def test_describe_knows_a_code_whose_steepness_is_estimated(keys: dict[str, Any]) -> None:
    facts = isthmus.describe(isthmus.create("contractive", shape=(1, 16, 16), code=8, **keys))
    assert facts["operations"] > 0


def test_a_contractive_code_may_be_a_tensor() -> None:
    model = isthmus.create("contractive", shape=(1, 8, 8), code="2x3x3")
    assert isthmus.fit(model, "digits", **QUICK).model.code_shape == (2, 3, 3)


def test_a_quantized_code_finds_its_grid_at_any_size() -> None:
    for size in range(2, 40):
        assert isthmus.create("quantized", shape=(1, size, size), codes=4).code_shape[1] == -(-size // 4)


def test_small_things_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert said("--version") == 0
    assert isthmus.__version__ in capsys.readouterr().out
    assert said() == 0
    assert "Train and evaluate:" in capsys.readouterr().out
    assert said("train", "undercomplete", "digits", "--out", "run", "--set", "code=3", "--epochs", "1") == 0
    assert isthmus.load("run").code_shape == (3,)
    for bad in (["--set", "seed=99999999999999999999"], ["--set", "seed=true"], ["--set", "epochs=true"]):
        assert said("train", "undercomplete", "digits", "--out", "other", *bad) == 2
    assert said("train", "contractive", "digits", "--out", "other", "--set", "weight=none") == 2
    assert said("train", "undercomplete", "", "--out", "other") == 2
    assert said("evaluate", "run", "digits", "--first", "0") == 2


@pytest.mark.skipif(os.name != "posix", reason="names of bytes")
def test_a_name_that_is_no_text_is_one_skipped_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos").mkdir()
    Image.new("L", (8, 8)).save("photos/a.png")
    with open(b"photos/\xff\xfe.png", "wb") as file:
        file.write(Path("photos/a.png").read_bytes())
    assert said("show", "photos") == 0
    assert "its name is not UTF-8" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_a_pipe_is_no_picture() -> None:
    Path("photos").mkdir()
    Image.new("L", (8, 8)).save("photos/a.png")
    os.mkfifo("photos/pipe.png")
    assert isthmus.show("photos")[0]["items"] == 1
    with pytest.raises(isthmus.BadInput, match="neither a file nor a folder"):
        isthmus.show("photos/pipe.png")


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_job_queue_that_ends_a_training_leaves_a_run_that_resumes() -> None:
    model = isthmus.create("undercomplete", shape=(1, 8, 8))
    own = model.after_step

    def after_step(sums: dict[str, Any]) -> None:
        own(sums)
        os.kill(os.getpid(), signal.SIGTERM)

    model.after_step = after_step  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        isthmus.fit(model, "digits", out="run", **QUICK)
    assert list(Path("run/checkpoints").iterdir())


@pytest.mark.parametrize("about", [None, [], {"input": None}, {"data": "x"}, {"training": 3}])
def test_a_config_of_nonsense_is_refused_in_one_line(about: Any) -> None:
    isthmus.create("undercomplete", shape=(1, 8, 8)).save("run")
    config = json.loads(Path("run/config.json").read_text())
    Path("run/config.json").write_text(json.dumps(config | {"about": about}))
    with pytest.raises(isthmus.BadInput, match="no valid description of the training"):
        isthmus.load("run")
