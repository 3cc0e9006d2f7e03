"""--init: a training that begins with the weights of another run, as far as they fit."""

from __future__ import annotations

import os
import signal
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from isthmus import load
from isthmus.errors import BadInput, Note
from isthmus.training import Run, Training
from isthmus.verbs.train import train

HOW: dict[str, Any] = {"batch_size": 16, "device": "cpu", "quiet": True, "validation": 0.0, "test": 0.0}
KINDS: dict[str, dict[str, Any]] = {
    "undercomplete": {"code": 12, "epochs": 60, "lr": 0.01},
    "sparse": {"kind": "kl", "code": 12, "epochs": 30, "patience": None, "lr": 0.01},
    "variational": {"code": 4, "widths": (20,), "epochs": 30, "lr": 0.01},
    "quantized": {"codes": 16, "dim": 3, "channels": (4, 8), "epochs": 20},
}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 digits 1×8×8 in a file."""
    file = tmp_path_factory.mktemp("data") / "digits.npy"
    np.save(file, (load_digits(return_X_y=True)[0][:60].reshape(-1, 1, 8, 8) / 16).astype(np.float32))
    return file


@pytest.fixture(scope="module")
def trained(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One run of each kind; tests read it only."""
    folder = tmp_path_factory.mktemp("runs")
    for kind, keys in KINDS.items():
        train(kind, digits, out=folder / kind, **HOW | keys)
    return {kind: folder / kind for kind in KINDS}


def begun(kind: str, digits: Path, out: Path, **more: Any) -> tuple[Run, dict[str, Tensor]]:
    """A short training of the kind, and the weights that its first step met."""
    first: dict[str, Tensor] = {}

    def look(training: Training) -> None:
        first.update({name: tensor.clone() for name, tensor in training.module.state_dict().items()})

    keys = KINDS[kind] | {"epochs": 1, "lr": 1e-9}
    return train(kind, digits, out=out, callbacks={"start": look}, **HOW | keys | more), first


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "quantized"])
def test_the_same_recipe_begins_with_the_same_weights(
    kind: str, trained: dict[str, Path], digits: Path, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run, first = begun(kind, digits, tmp_path / "run", init=trained[kind])
    weights = load(trained[kind]).state_dict()
    assert all(torch.equal(first[name], weights[name]) for name in weights)
    assert load(tmp_path / "run").about["init"] == kind
    fresh, _ = begun(kind, digits, tmp_path / "fresh")
    assert run.history[0]["loss"] < 0.8 * fresh.history[0]["loss"]


def test_a_codebook_is_borrowed_too(trained: dict[str, Path], digits: Path, tmp_path: Path) -> None:
    _, first = begun("quantized", digits, tmp_path / "run", init=trained["quantized"])
    weights = load(trained["quantized"]).state_dict()
    assert all(torch.equal(first[name], weights[name]) for name in weights)


def test_another_code_size_names_the_mismatched_weights(trained: dict[str, Path], digits: Path, tmp_path: Path) -> None:
    wide = trained["variational"]
    with pytest.warns(Note) as notes:
        _, first = begun("variational", digits, tmp_path / "run", init=wide, code=5)
    assert len(notes) == 1
    weights = load(wide).state_dict()
    left = [name for name in first if first[name].shape != weights[name].shape]
    said = str(notes[0].message)
    assert said.startswith(f"{wide}: {len(left)} of {len(first)} weights do not match and keep their initialization: ")
    assert 0 < len(left) < len(first)
    assert all(name in said for name in left[:3])
    assert all(torch.equal(first[name], weights[name]) for name in first if name not in left)
    assert "\n" not in said


def test_the_recipe_need_not_be_the_same(trained: dict[str, Path], digits: Path, tmp_path: Path) -> None:
    with pytest.warns(Note, match="do not match and keep their initialization: bottleneck"):
        _, first = begun("sparse", digits, tmp_path / "run", init=trained["undercomplete"], code=7)
    assert torch.equal(
        first["decoder.layers.0.bias"], load(trained["undercomplete"]).state_dict()["decoder.layers.0.bias"]
    )


def test_weights_of_which_none_fits_are_refused_in_one_line(
    trained: dict[str, Path], digits: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small.npy"
    np.save(small, np.random.default_rng(0).uniform(0, 1, (30, 5)).astype(np.float32))
    with pytest.raises(BadInput) as error:
        train("undercomplete", small, out=tmp_path / "run", init=trained["quantized"], code=2, **HOW)
    assert str(error.value) == f"{trained['quantized']}: none of its weights match this model"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("what", ["missing", "empty", "broken"])
def test_an_init_that_is_no_run_is_refused_before_a_folder_is_made(what: str, digits: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    if what != "missing":
        folder.mkdir()
    if what == "broken":
        (folder / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BadInput, match="other") as error:
        train("undercomplete", digits, out=tmp_path / "run", init=folder, epochs=1, **HOW)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_warm_started_run_resumes_from_its_own_weights(
    trained: dict[str, Path], digits: Path, tmp_path: Path
) -> None:
    """As a job queue does it: the same command again, with --init and --resume."""
    keys = HOW | KINDS["undercomplete"] | {"epochs": 6, "init": trained["undercomplete"], "resume": True}
    whole = train("undercomplete", digits, out=tmp_path / "whole", **keys)

    def stop(training: Training) -> None:
        if training.step == 9:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train("undercomplete", digits, out=tmp_path / "run", callbacks={"step": stop}, **keys)
    run = train("undercomplete", digits, out=tmp_path / "run", **keys)
    assert [row["loss"] for row in run.history] == [row["loss"] for row in whole.history]
    pairs = zip(run.model.state_dict().values(), whole.model.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_resumed_run_keeps_the_record_of_its_warm_start(
    trained: dict[str, Path], digits: Path, tmp_path: Path
) -> None:
    keys = HOW | KINDS["undercomplete"] | {"init": trained["undercomplete"]}
    for epochs in (1, 2):
        train("undercomplete", digits, out=tmp_path / "run", resume=True, **keys | {"epochs": epochs})
    assert load(tmp_path / "run").about["init"] == "undercomplete"
