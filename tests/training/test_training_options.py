"""Options of a training: defaults, precedence, and invalid ones."""

from __future__ import annotations

import math
from typing import Any

import pytest

from isthmus.errors import BadInput
from isthmus.training import TRAINING, settle


def test_every_training_option_has_a_help_text() -> None:
    assert all(meaning for _, meaning in TRAINING.values())
    assert settle({}, {}) == {key: default for key, (default, _) in TRAINING.items()}


def test_given_options_override_the_recipe_and_the_recipe_the_defaults() -> None:
    options = settle({"epochs": 50, "lr": 0.5}, {"lr": 0.25, "clip": "none"})
    assert (options["epochs"], options["lr"], options["batch_size"], options["clip"]) == (50, 0.25, 128, None)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"epochs": 0}, "a number above 0"),
        ({"epochs": True}, "a number above 0"),
        ({"devices": 1.5}, "an integer from 1 up"),
        ({"strategy": "dpp"}, "did you mean 'ddp'"),
        ({"compile": "maybe"}, "unknown compile"),
        ({"budget": "soon"}, "a time such as 90s, 10m or 2h"),
        ({"budget": "-5m"}, "a time such as 90s, 10m or 2h"),
        ({"batch_size": -1}, "an integer from 1 up"),
        ({"lr": 0}, "a number above 0"),
        ({"lr": math.nan}, "a number above 0"),
        ({"lr": "fast"}, "a number above 0"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"precision": "bf16"}, "unknown precision"),
        ({"device": "tpu"}, "unknown device"),
        ({"validation": 1}, "from 0 up and below 1"),
        ({"ema": 1.5}, "from 0 up and below 1"),
        ({"patience": 3, "validation": 0.0}, "patience needs a validation split"),
        ({"seed": -1}, "an integer from 0 up"),
        ({"epochs": None}, "epochs is none"),
        ({"lr": "none"}, "lr is none"),
        ({"warmup": "none"}, "warmup is none"),
    ],
)
def test_an_invalid_option_is_refused_in_one_line(given: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says) as error:
        settle({}, given)
    assert "\n" not in str(error.value)
