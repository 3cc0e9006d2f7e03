"""The same frame through a method of the model, a verb in Python and the command line: the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isthmus
from isthmus.cli import main

QUICK: dict[str, Any] = {"epochs": 1, "batch_size": 16, "device": "cpu", "quiet": True}
RANDOM = np.random.default_rng(0)
pytestmark = pytest.mark.filterwarnings("ignore::isthmus.errors.Note")


def command(*arguments: Any) -> int:
    """The exit code of the command line."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of gray pictures of 8 bits, whose net is trained for a moment."""
    parts = np.clip(100 + 20 * RANDOM.standard_normal((60, 16, 16)), 0, 255).astype(np.uint8)
    out = tmp_path_factory.mktemp("runs") / "run"
    isthmus.train("detect", parts, out=out, net="dense", kind="undercomplete", code=4, **QUICK)
    return out


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "bool", "int64"])
def test_a_frame_of_any_type(kind: str, run: Path, tmp_path: Path) -> None:
    frame = RANDOM.integers(0, 256, (16, 16)).astype(np.uint8)
    given = {
        "uint8": frame,
        "uint16": frame.astype(np.uint16) * np.uint16(257),
        "float32": frame / np.float32(255),
        "bool": frame > 127,
        "int64": frame.astype(np.int64),
    }[kind]
    model = isthmus.load(run)
    score = float(model.detect(given).score)
    code = model.encode(given).flatten()
    expected = model.encode(frame if kind != "bool" else (frame > 127) * np.uint8(255)).flatten()
    assert np.allclose(code, expected, atol=1e-5)
    assert np.array_equal(isthmus.embed(run, given)["codes"][0], code)  # type: ignore[call-overload]
    assert isthmus.detect(run, given)[0]["score"] == pytest.approx(score, abs=1e-5)
    np.save(tmp_path / "frame.npy", given)
    for arguments in (("embed", "codes.npz"), ("detect", "found")):
        out = str(tmp_path / arguments[1])
        assert command(arguments[0], run, tmp_path / "frame.npy", "--out", out) == 0
    assert np.allclose(np.load(tmp_path / "codes.npz")["codes"][0], code, atol=1e-6)
    row = (tmp_path / "found/scores.csv").read_text().splitlines()[1].split(",")
    assert float(row[1]) == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize("given", [np.full((16, 16), 200.0), np.full((16, 16), -1)])
def test_ambiguous_arrays_are_refused_everywhere(given: np.ndarray, run: Path, tmp_path: Path) -> None:
    model = isthmus.load(run)
    np.save(tmp_path / "frame.npy", given)
    for take in (model.detect, model.encode, model.reconstruct, lambda x: isthmus.detect(run, x)):
        with pytest.raises(isthmus.BadInput, match=r"this run was trained on uint8 in 0\.\.255"):
            take(given)
    assert command("detect", run, tmp_path / "frame.npy", "--out", tmp_path / "out") == 2


def test_a_dark_16_bit_frame_has_the_same_score_alone_and_in_a_batch(run: Path) -> None:
    dark = RANDOM.integers(0, 256, (1, 16, 16)).astype(np.uint16)
    both = np.concatenate([dark, np.full((1, 16, 16), 65535, np.uint16)])
    model = isthmus.load(run)
    assert float(model.detect(dark).score[0]) == pytest.approx(float(model.detect(both).score[0]), rel=1e-5)


def test_a_set_of_twelve_bits_is_trained_over_all_of_its_range(tmp_path: Path) -> None:
    low = RANDOM.integers(0, 3900, (40, 8, 8)).astype(np.uint16)
    low[:, 0, 0] = 3900
    isthmus.train("undercomplete", low, out=tmp_path / "found", code=3, **QUICK)
    model = isthmus.load(tmp_path / "found")
    assert model.about["input"]["range"] == [0, 4095]
    assert model.tensor(low).max() == pytest.approx(3900 / 4095)
    isthmus.train("undercomplete", low, out=tmp_path / "named", code=3, white=3900, **QUICK)
    assert isthmus.load(tmp_path / "named").tensor(low).max() == 1
    isthmus.reconstruct(tmp_path / "found", low, out=tmp_path / "x.npy")
    assert np.load(tmp_path / "x.npy").max() <= 4095
