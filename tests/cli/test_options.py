"""Options that people try first: short names, quiet, help with defaults, a run folder that needs no name."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from isthmus.cli import share, show, train  # noqa: F401 -- importing registers the commands
from isthmus.cli.app import app
from isthmus.jobs.anomaly import commands as _anomaly  # noqa: F401
from isthmus.jobs.autoencoding import commands as _autoencoding  # noqa: F401
from isthmus.jobs.generation import commands as _generation  # noqa: F401
from isthmus.jobs.restoration import commands as _restoration  # noqa: F401
from isthmus.jobs.segmentation import commands as _segmentation  # noqa: F401

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
NET = [
    "train",
    "evaluate",
    "compare",
    "reconstruct",
    "embed",
    "segment",
    "decode",
    "detect",
    "generate",
    "interpolate",
    "denoise",
    "unwatermark",
    "inpaint",
    "upscale",
]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_option_documents_its_meaning_and_default(verb: str) -> None:
    for parameter in COMMANDS[verb].params:
        text = parameter.help or ""
        assert text, f"{verb} {parameter.opts}"
        flag = getattr(parameter, "is_flag", False)
        if parameter.param_type_name == "option" and not parameter.required and not flag:
            shown = parameter.default is not None or "default" in text or "KEY=VALUE" in (parameter.metavar or "")
            assert shown, f"{verb} {parameter.opts}: no default in {text!r}"


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_has_the_short_names_and_flags(verb: str, isthmus: Any) -> None:
    code, text, err = isthmus(verb, "-h")
    assert (code, err) == (0, "")
    assert "--quiet" in text
    assert "--debug" in text
    if "--out" in text:
        assert re.search(r"-o, --out|--out, -o", text)
    assert ("--device " in text) == (verb in NET)


def test_quiet_leaves_results_and_errors_alone(isthmus: Any) -> None:
    np.save("flat.npy", np.zeros((20, 8, 8), np.uint8))
    code, out, err = isthmus("train", "undercomplete", "flat.npy", "-o", "run", "--epochs", 1, "-q")
    assert (code, err) == (0, "")
    assert "done" in out
    code, out, err = isthmus("generate", "run", "-n", 4, "-o", "x.npy", "--quiet")
    assert (code, out, err) == (0, "", "")
    code, out, err = isthmus("-q", "generate", "nowhere", "-o", "y.npy")
    assert (code, out, err.count("\n")) == (2, "", 1)
    said = isthmus("generate", "run", "-n", 4, "--prior", "normal", "-o", "z.npy")[2]
    assert said.count("\n") == 2  # with a note, without --quiet


def test_train_without_out_prints_the_new_run_folder(isthmus: Any) -> None:
    np.save("x.npy", np.random.default_rng(0).integers(0, 255, (20, 8, 8), dtype=np.uint8))
    for number in ("", "-2"):
        code, _, err = isthmus("train", "undercomplete", "x.npy", "--epochs", 1)
        assert code == 0
        run = Path("runs") / f"undercomplete-{date.today()}{number}"
        assert (run / "model.safetensors").is_file()
        assert str(run) in err
    assert "--out" in isthmus("train", "undercomplete", "x.npy", "--resume")[2]
    assert "--out" in isthmus("train", "undercomplete", "x.npy", "--devices", 2)[2]


def test_devices_are_checked_by_every_verb_before_anything_else(isthmus: Any) -> None:
    np.save("x.npy", np.zeros((20, 8, 8), np.uint8))
    assert isthmus("train", "undercomplete", "x.npy", "-o", "run", "--epochs", 1, "-q")[0] == 0
    for command in (
        ["evaluate", "run", "x.npy"],
        ["generate", "run", "-o", "a.npy"],
        ["decode", "run", "codes.npz", "-o", "a.npy"],
        ["interpolate", "run", "x.npy:0", "x.npy:1", "-o", "a.npy"],
        ["detect", "run", "x.npy", "-o", "a"],
        ["embed", "run", "x.npy", "-o", "a.npz"],
        ["reconstruct", "run", "x.npy", "-o", "a.npy"],
    ):
        code, out, err = isthmus(*command, "--device", "tpu")
        assert (code, out) == (2, "")
        assert "unknown device 'tpu'" in err
    assert isthmus("evaluate", "run", "x.npy", "--device", "cpu")[0] == 0


def test_gpu_is_another_name_of_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    from isthmus.distributed import named_device
    from isthmus.training import settle

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert named_device("gpu") == named_device("auto") == "cuda"
    assert settle({}, {"device": "gpu"})["device"] == "cuda"


def test_contrastive_is_an_alias_of_contractive(isthmus: Any) -> None:
    assert "contrastive is another name of contractive" in " ".join(isthmus("recipes", "-h")[1].split())


def test_help_lists_every_command_once_under_the_title_of_its_section(isthmus: Any) -> None:
    code, text, _ = isthmus("--help")
    lines = text.partition("Train and evaluate:")[2].splitlines()
    titles = [line.rstrip(":") for line in lines if line and not line.startswith(" ")]
    assert (code, titles) == (0, ["Encode", "Generate", "Restore", "Detect", "Segment", "Share"])
    assert sorted(line.split()[0] for line in lines if line.startswith("  ") and "isthmus" not in line) == sorted(
        COMMANDS
    )
