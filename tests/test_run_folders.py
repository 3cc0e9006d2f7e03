"""The files of a run folder, and errors of broken ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.tiny_models import TRAINING, X, tiny
from safetensors.torch import load_file, save_file

from isthmus import create, fit, load
from isthmus.errors import BadInput
from isthmus.registry import build, config_of

pytestmark = pytest.mark.usefixtures("one_thread")


def trained(tmp_path: Path) -> Path:
    fit(tiny(), X, out=tmp_path / "run", **TRAINING)
    return tmp_path / "run"


def test_saving_writes_the_documented_files(tmp_path: Path) -> None:
    tiny().save(tmp_path / "run")
    assert {file.name for file in (tmp_path / "run").iterdir()} == {"config.json", "model.safetensors"}


def test_a_config_is_plain_json_and_builds_the_same_again() -> None:
    model = create("denoising", shape=(1, 8, 6), code=3, corruption="masking:0.2+gaussian:0.1", widths=(9,))
    config = json.loads(json.dumps(config_of(model)))
    again = build(config)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.reconstruct(X), model.reconstruct(X))
    assert json.loads(json.dumps(config_of(again))) == config


@pytest.mark.parametrize("name", ["os.system", "Autoencoda", "", "torch.nn.Linear", "Linear"])
def test_a_name_that_is_not_registered_is_never_built(name: str, tmp_path: Path) -> None:
    run = trained(tmp_path)
    edit(run, lambda config: config["model"]["encoder"].update(name=name))
    with pytest.raises(BadInput, match="unknown module") as error:
        load(run)
    assert "\n" not in str(error.value)


def test_a_config_with_an_argument_that_no_module_has_is_refused(tmp_path: Path) -> None:
    run = trained(tmp_path)
    edit(run, lambda config: config["model"]["encoder"].update(bogus=1))
    with pytest.raises(BadInput):
        load(run)


def test_a_config_that_lacks_a_part_of_the_model_is_refused(tmp_path: Path) -> None:
    run = trained(tmp_path)
    edit(run, lambda config: config["model"].pop("decoder"))
    with pytest.raises(BadInput):
        load(run)


def edit(run: Path, change: object) -> None:
    config = json.loads((run / "config.json").read_text())
    change(config)
    (run / "config.json").write_text(json.dumps(config))


def refused(run: Path, says: str) -> None:
    with pytest.raises(BadInput, match=says) as error:
        load(run)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "nowhere: no such run folder")


@pytest.mark.parametrize("part", ["config.json", "model.safetensors"])
def test_a_missing_part_is_named(part: str, tmp_path: Path) -> None:
    run = trained(tmp_path)
    (run / part).unlink()
    for checkpoint in (run / "checkpoints").iterdir():
        checkpoint.unlink()
    refused(run, f"{part} is missing")


def test_a_run_that_is_still_training_gives_the_weights_of_its_newest_checkpoint(tmp_path: Path) -> None:
    run = trained(tmp_path)
    expected = load(run).reconstruct(X)
    (run / "model.safetensors").unlink()
    assert torch.equal(load(run).reconstruct(X), expected)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '"model"', '{"model": 3}', '{"model": []}'])
def test_a_config_that_is_none_is_named(text: str, tmp_path: Path) -> None:
    run = trained(tmp_path)
    (run / "config.json").write_text(text)
    refused(run, "config.json")


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    run = trained(tmp_path)
    edit(run, lambda config: config.update(format=2))
    refused(run, "written in format 2 by a newer isthmus; this one reads up to 1")


@pytest.mark.parametrize("keep", [0, 5, 60, -1])
def test_a_damaged_safetensors_file_is_named(keep: int, tmp_path: Path) -> None:
    run = trained(tmp_path)
    whole = (run / "model.safetensors").read_bytes()
    (run / "model.safetensors").write_bytes(whole[:keep])
    refused(run, "model.safetensors: truncated or damaged safetensors file")


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    run = trained(tmp_path)
    weights = load_file(run / "model.safetensors")
    name = "decoder.layers.0.bias"
    save_file({**weights, name: torch.zeros(3)}, run / "model.safetensors")
    refused(run, r"decoder\.layers\.0\.bias is \(3,\), but the config asks for \(48,\)")
    save_file({**weights, "other": torch.zeros(3)}, run / "model.safetensors")
    refused(run, "hold other, which the config does not know")
    save_file({key: value for key, value in weights.items() if key != name}, run / "model.safetensors")
    refused(run, r"lack decoder\.layers\.0\.bias")


def test_a_loaded_model_encodes_with_the_range_it_was_trained_on(tmp_path: Path) -> None:
    data = np.round(X.numpy() * 1000).astype(np.uint16)
    run = fit(tiny(), data, out=tmp_path / "run", **TRAINING)
    assert torch.equal(load(tmp_path / "run").encode(data), run.model.encode(data))
