"""The contract of every recipe: a new recipe is tested once it is registered."""

from __future__ import annotations

import inspect
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.contract import CASES, PAIRS, SHAPES, TRAINING, Case, is_quick, label, output_shape

import isthmus
from isthmus import create, fit, load
from isthmus.errors import BadInput
from isthmus.jobs import all_jobs, job_of
from isthmus.recipes import RECIPES
from isthmus.training import Run
from isthmus.types import Context, Noise, Sample

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(
    scope="module",
    params=[pytest.param(case, marks=[pytest.mark.unit] * is_quick(case)) for case in CASES],
    ids=label,
)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    case: Case = request.param
    case.folder = tmp_path_factory.mktemp("case")
    return case


def timeless(run: Run) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in run.history]


def assert_same_weights(a: torch.nn.Module, b: torch.nn.Module) -> None:
    ours, theirs = a.state_dict(), b.state_dict()
    assert list(ours) == list(theirs)
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


@pytest.mark.filterwarnings("ignore:a code of")  # 256 numbers are more than these items have
@pytest.mark.parametrize("plain", [Case(name, kind, {}) for name, kind in PAIRS], ids=label)
def test_its_own_defaults_make_a_model_of_every_declared_kind(plain: Case) -> None:
    model = create(plain.recipe, shape=SHAPES[plain.kind])
    assert model.reconstruct(plain.x[:2]).shape == output_shape(model, plain.x[:2])


def test_outputs_have_the_shape_of_inputs(case: Case) -> None:
    model, x = case.undisturbed.model, case.x
    for count in (32, 1):
        rebuilt, code = model.reconstruct(x[:count]), model.encode(x[:count])
        assert rebuilt.shape == output_shape(model, x[:count])
        assert code.shape == (count, *model.code_shape)
        if not model.has_skips:
            assert model.decode(code).shape == x[:count].shape
        assert 0 <= rebuilt.min() <= rebuilt.max() <= 1


def test_the_loss_falls_within_a_few_steps(case: Case) -> None:
    model, sample = case.new(), case.sample()

    def loss() -> float:
        with torch.no_grad():
            return float(model.eval()(sample, Context(Noise(0, 0, 32))).total)

    before = loss()
    fit(model, case.data(), **TRAINING | {"validation": 0.0, "test": 0.0, "patience": None, "epochs": 6, "lr": 3e-3})
    assert loss() < before


def test_encode_then_decode_is_reconstruct_to_the_bit(case: Case) -> None:
    model, x = case.undisturbed.model, case.x
    rebuilt = model.reconstruct(x)
    if model.has_skips:
        with pytest.raises(BadInput, match="also takes skips from the encoder"):
            model.decode(model.encode(x))
        return
    assert torch.equal(model.decode(model.encode(x)), rebuilt)
    assert torch.equal(model.decode(model.encode(x).flatten(1).clone()), rebuilt)  # as it comes from a file


def test_using_it_is_deterministic(case: Case) -> None:
    model, x = case.undisturbed.model, case.x
    first = model.reconstruct(x)
    torch.manual_seed(12345)
    assert torch.equal(model.reconstruct(x), first)
    assert torch.equal(model.encode(x), model.encode(x))


def test_an_item_gives_the_same_result_alone_and_in_a_batch(case: Case) -> None:
    model, x = case.undisturbed.model, case.x
    together, codes = model.reconstruct(x), model.encode(x)
    for i in (0, 13, 31):
        assert torch.allclose(model.reconstruct(x[i : i + 1]), together[i : i + 1], rtol=0, atol=1e-5)
        assert torch.allclose(model.encode(x[i : i + 1]), codes[i : i + 1], rtol=0, atol=1e-5)


def test_a_batch_of_one_can_be_trained_on(case: Case) -> None:
    run = fit(case.new(), case.data(3), **TRAINING | {"batch_size": 1, "epochs": 1})
    assert math.isfinite(run.history[-1]["loss"])


def test_a_black_picture_among_others_does_not_wreck_the_gradient(case: Case) -> None:
    def largest(sample: Sample) -> float:
        model = case.new().train()
        model.start([sample])
        model(sample, Context(Noise(0, 0, 8))).total.backward()
        return max(float(weight.grad.abs().max()) for weight in model.parameters() if weight.grad is not None)

    sample = case.sample(8)
    dark = sample.x.clone()
    dark[3] = 0
    black = sample.replace(x=dark, target=dark if sample.target is sample.x else sample.target)
    assert largest(black) < 30 * largest(sample)


def test_the_same_seed_gives_the_same_training_and_another_seed_another(case: Case) -> None:
    again = fit(case.new(), case.data(), **TRAINING)
    assert timeless(again) == timeless(case.undisturbed)
    assert_same_weights(again.model, case.undisturbed.model)
    other = fit(case.new(seed=2), case.data(), **TRAINING | {"epochs": 1})
    assert other.history[0]["loss"] != again.history[0]["loss"]


def test_a_run_stopped_by_ctrl_c_and_resumed_is_the_undisturbed_one_to_the_bit(case: Case) -> None:
    assert len(case.resumed.history) == TRAINING["epochs"]
    assert timeless(case.resumed) == timeless(case.undisturbed)
    assert_same_weights(case.resumed.model, case.undisturbed.model)


def test_a_saved_model_loads_equal_to_the_bit(case: Case) -> None:
    assert case.resumed.path is not None
    loaded = load(case.resumed.path)
    assert_same_weights(loaded, case.resumed.model)
    assert torch.equal(loaded.reconstruct(case.x), case.resumed.model.reconstruct(case.x))
    assert loaded.shape == case.resumed.model.shape
    assert loaded.code_shape == case.resumed.model.code_shape
    assert loaded.about["recipe"] == case.recipe


def test_the_run_folder_is_whole_and_names_no_python_module(case: Case) -> None:
    run = case.resumed.path
    assert run is not None
    whole = {
        "config.json",
        "model.safetensors",
        "metrics.json",
        "history.csv",
        "parts.json",
        "card.md",
        "index.html",
    }
    assert whole <= {file.name for file in run.iterdir()}
    config = (run / "config.json").read_text(encoding="utf-8")
    assert "isthmus." not in config
    assert "torch" not in config
    assert "__" not in config


def call(verb: str, run: Path) -> Any:
    """Call a verb with a run and an input of zeros."""
    function, nothing = getattr(isthmus, verb), np.zeros((16, 16), np.uint8)
    parameters = inspect.signature(function).parameters.values()
    names = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    return function(run, *(nothing for _ in names[1:])) if names[0] == "run" else function(nothing, model=run)


def test_a_verb_of_another_job_refuses_the_run_and_names_the_right_one(case: Case) -> None:
    run, own = case.resumed.path, job_of(case.resumed.model)
    assert run is not None
    text = f"{run}: is a run of {case.recipe}; isthmus {own.verb(case.recipe)} uses it"
    refusing = []
    for verb, job in ((verb, each) for each in all_jobs().values() for verb in each.verbs):
        if not job.takes(verb, own.name, case.recipe):
            with pytest.raises(BadInput, match=f"^{re.escape(text)}$"):
                call(verb, run)
            refusing.append(verb)
    assert len(refusing) >= 3
    assert set(refusing).isdisjoint({"embed", own.verb(case.recipe)})
    assert ("reconstruct" in refusing) == (own.target == "labels")


@pytest.mark.parametrize("recipe", RECIPES)
def test_half_precision_trains_without_a_nan_and_leaves_a_model_that_works(recipe: str) -> None:
    case = Case(recipe, "gray", {})
    run = fit(case.new(), case.data(), **TRAINING | {"precision": "bf16-mixed", "epochs": 2})
    assert all(math.isfinite(value) for row in run.history for value in row.values())
    assert {weight.dtype for weight in run.model.parameters()} == {torch.float32}
    assert run.model.reconstruct(case.x).isfinite().all()
