"""The command line as people and scripts call it: files, exit codes, one line where something is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from isthmus.cli import main

TYPES = "undercomplete linear deep conv denoising sparse contractive variational quantized"
JOBS = "denoise inpaint unwatermark upscale detect segment generate"
HELP_NEEDS = {"isthmus", "typer", "annotated_doc", "shellingham"}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(result: tuple[int, str, str], *said: str) -> None:
    """Exit code 2, nothing on stdout, one line on stderr that says all of `said`."""
    code, out, err = result
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for word in said:
        assert word in err


def test_every_verb_from_training_to_pictures(isthmus: Any, photos: Path) -> None:
    code, out, err = isthmus("train", "conv", "photos", "--out", "run", "--epochs", "2", "--size", "16", "--json")
    assert code == 0
    assert json.loads(out)["status"] == "done"
    assert "text.png" in err  # broken files are named and counted
    assert "1 broken of 16" in err

    code, out, _ = isthmus("evaluate", "run", "photos", "--json")
    figures = json.loads(out)
    assert figures["split"] == "test"
    assert figures["items"] == 2
    assert figures["compression_factor"] == 3 * 16 * 16 / 32

    assert isthmus("reconstruct", "run", "photos", "--out", "rebuilt")[0] == 0
    assert isthmus("embed", "run", "photos", "--out", "codes.npz")[0] == 0
    assert isthmus("decode", "run", "codes.npz", "--out", "decoded")[0] == 0
    names = sorted(str(path.relative_to("rebuilt")) for path in Path("rebuilt").rglob("*.png"))
    assert names[-1] == "more/gray.png"
    assert len(names) == 15
    for name in names:  # decode(embed(x)) is reconstruct(x) to the bit
        assert (Path("rebuilt") / name).read_bytes() == (Path("decoded") / name).read_bytes()
    with np.load("codes.npz", allow_pickle=False) as codes:
        assert codes["codes"].shape == (15, 32)
        assert codes["codes"].dtype == np.float32

    assert isthmus("reconstruct", "run", "photos/00.png", "--out", "one.png")[0] == 0
    assert Image.open("one.png").size == (16, 16)
    code, _, err = isthmus("generate", "run", "-n", "4", "--prior", "normal", "--out", "noise.npy")
    assert code == 0
    assert "no latent prior" in err
    code, _, err = isthmus("generate", "run", "-n", "4", "--out", "new.npy")
    assert code == 0
    assert "prior: mixture, fitted to" in err
    assert np.load("new.npy").shape == (4, 3, 16, 16)
    assert not np.array_equal(np.load("new.npy"), np.load("noise.npy"))
    assert isthmus("interpolate", "run", "photos/00.png", "photos:3", "--steps", "5", "--out", "walk.gif")[0] == 0
    assert Image.open("walk.gif").n_frames == 5
    code, out, _ = isthmus("describe", "run")
    assert code == 0
    assert "encoder" in out
    assert "weights" in out
    code, out, _ = isthmus("compare", "run", "--json", "--out", "table.html")
    assert json.loads(out)["rows"][0]["sse_per_image"] == pytest.approx(figures["sse_per_image"])
    assert Path("table.html").is_file()


def test_json_is_alone_on_stdout_and_knows_no_nan(isthmus: Any) -> None:
    np.save("flat.npy", np.zeros((20, 8, 8), np.uint8))
    assert isthmus("train", "undercomplete", "flat.npy", "--out", "run", "--epochs", "1", "--json")[0] == 0
    code, out, _ = isthmus("evaluate", "run", "flat.npy", "--split", "all", "--json")
    assert code == 0
    assert json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))["items"] == 20


def test_show_writes_a_contact_sheet(isthmus: Any, photos: Path) -> None:
    code, out, err = isthmus("show", "photos", "--size", "16", "--out", "sheet.png")
    assert code == 0
    assert "15" in out
    assert Image.open("sheet.png").width > 16
    assert "mixed sizes" not in err
    _, _, err = isthmus("show", "photos")
    assert "64" in err  # where sizes are mixed and none is given, it says what it did
    refused(isthmus("show", "photos", "--out", "sheet.png"), "sheet.png", "exists")


def test_recipes_lists_types_and_keys(isthmus: Any) -> None:
    code, out, _ = isthmus("recipes", "--json")
    assert code == 0
    names = [row["recipe"] for row in json.loads(out)["recipes"]]
    assert set(names) == {*TYPES.split(), *JOBS.split()}
    _, out, _ = isthmus("recipes", "vae", "--json")
    rows = {row["key"]: row for row in json.loads(out)["keys"]}
    assert rows["beta"]["default"] == "1.0"
    assert all(row["meaning"] for row in rows.values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "undercomplet", "digits"], ["undercomplet", "did you mean 'undercomplete'"]),
        (["train", "sparse", "digits", "--set", "kindd=l1"], ["kindd", "did you mean 'kind'"]),
        (["train", "sparse", "digits", "--set", "kind=l2"], ["l2", "l1"]),
        (["train", "sparse", "digits", "--set", "k"], ["key=value"]),
        (["train", "sparse", "digits", "--epochs", "2", "--set", "epochs=1"], ["epochs", "given twice"]),
        (["train", "sparse", "digits", "--set", "size=8"], ["--set size: is the option --size"]),
        (["train", "sparse", "digits", "--set", "k=many"], ["k=many", "whole number"]),
        (["train", "undercomplete", "digits", "--code", "-3"], ["-3", "1 or more"]),
        (["train", "undercomplete", "digits", "--code", "x"], ["'x'", "24"]),
        (["train", "conv", "digits", "--code", "4x3x3"], ["4x3x3", "4x4x4"]),
        (["train", "undercomplete", "digits", "--loss", "bec"], ["bec", "did you mean 'bce'"]),
        (["train", "undercomplete", "digits", "--lr", "0"], ["lr", "above 0"]),
        (["train", "undercomplete", "digits", "--epochs", "0"], ["epochs", "a number above 0"]),
        (["train", "undercomplete", "digits", "--device", "tpu"], ["tpu"]),
        pytest.param(
            ["train", "undercomplete", "digits", "--device", "cuda"],
            ["cuda", "it has cpu"],
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="a machine with a GPU"),
        ),
        (["train", "undercomplete", "nowhere"], ["nowhere", "no such"]),
        (["train", "undercomplete", "minst"], ["did you mean 'mnist'"]),
        (["train", "conv", "empty"], ["empty"]),
        (["train", "conv", "texts"], ["texts", ".txt"]),
        (["train", "conv", "broken"], ["broken", "a.png"]),
        (["train", "undercomplete", "zero.npy"], ["zero.npy", "0 bytes"]),
        (["train", "undercomplete", "objects.npy"], ["objects.npy", "pickle"]),
        (["train", "undercomplete", "nan.npy"], ["nan.npy", "NaN"]),
        (["train", "undercomplete", "infinite.npy"], ["infinite.npy", "infinite"]),
        (["train", "undercomplete", "digits", "--frob"], ["--frob"]),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(isthmus: Any, arguments: list[str], said: list[str]) -> None:
    for name in ("empty", "texts", "broken"):
        Path(name).mkdir()
    Path("texts/a.txt").write_text("hello")
    Path("broken/a.png").write_text("hello")
    Path("zero.npy").touch()
    np.save("objects.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    good = np.random.default_rng(0).random((10, 8, 8))
    for name, bad in (("nan", np.nan), ("infinite", np.inf)):
        good[3, 2, 1] = bad
        np.save(f"{name}.npy", good)
    refused(isthmus(*arguments, "--out", "run"), *said)
    assert not Path("run").exists()


def test_a_run_is_refused_where_it_is_not_whole_or_takes_other_items(isthmus: Any) -> None:
    assert isthmus("train", "undercomplete", "digits", "--out", "run", "--epochs", "1")[0] == 0
    refused(isthmus("train", "undercomplete", "digits", "--out", "run"), "run", "exists", "--resume")
    np.save("other.npy", np.zeros((4, 3, 9, 9), np.uint8))
    refused(isthmus("evaluate", "run", "other.npy"), "3×9×9", "1×8×8")
    refused(isthmus("evaluate", "run", "digits", "--split", "tset"), "tset", "did you mean 'test'")
    refused(isthmus("evaluate", "nowhere", "digits"), "nowhere")
    refused(isthmus("reconstruct", "run", "digits", "--out", "x.xyz"), ".xyz", ".npy")
    refused(isthmus("interpolate", "run", "digits:1", "digits:9999", "--out", "x.gif"), "9999", "1796")
    Path("x.npy").touch()
    refused(isthmus("reconstruct", "run", "digits", "--out", "x.npy"), "exists", "--force")
    assert isthmus("reconstruct", "run", "digits", "--first", "3", "--out", "x.npy", "--force")[0] == 0
    assert np.load("x.npy").max() <= 16  # in the numbers of the data itself
    Path("run/model.safetensors").write_bytes(b"broken")
    refused(isthmus("evaluate", "run", "digits"), "model.safetensors")
    Path("run/config.json").unlink()
    refused(isthmus("evaluate", "run", "digits"), "config.json")


def test_a_code_larger_than_the_input_is_a_note_not_an_error(isthmus: Any) -> None:
    code, _, err = isthmus("train", "undercomplete", "digits", "--out", "run", "--epochs", "1", "--code", "65")
    assert code == 0
    assert "no bottleneck any more" in err


def test_resume_is_safe_to_repeat(isthmus: Any) -> None:
    command = ["train", "undercomplete", "digits", "--out", "run", "--epochs", "2", "--resume"]
    assert isthmus(*command)[0] == 0
    weights = Path("run/model.safetensors").read_bytes()
    written = Path("run/metrics.json").stat().st_mtime_ns
    assert isthmus(*command)[0] == 0
    assert Path("run/metrics.json").stat().st_mtime_ns == written
    assert Path("run/model.safetensors").read_bytes() == weights
    refused(isthmus("train", "deep", "digits", "--out", "run", "--resume"), "undercomplete", "deep")
    refused(isthmus(*command, "--lr", "0.5"), "lr")
    refused(isthmus("train", "undercomplete", "digits", "--out", "run", "--resume", "--code", "3"), "code")


def test_more_epochs_of_a_run_whose_rate_ends_with_them_name_the_command(isthmus: Any) -> None:
    command = ["train", "undercomplete", "digits", "--out", "run", "--set", "schedule=cosine"]
    assert isthmus(*command, "--epochs", "1")[0] == 0
    said = "instead: isthmus train undercomplete digits --init run --epochs 2"
    refused(isthmus(*command, "--epochs", "2", "--resume"), said)
    assert isthmus(*said.split()[2:], "--out", "longer")[0] == 0


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_ctrl_c_leaves_a_run_that_resumes() -> None:
    command = [sys.executable, "-c", "from isthmus.cli import main; main()", "train", "undercomplete", "digits"]
    command += ["--out", "run", "--epochs", "100000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not Path("run/history.csv").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "--resume" in err
    assert "Traceback" not in err
    assert list(Path("run/checkpoints").glob("*.safetensors"))
    assert not list(Path("run").rglob("*.tmp"))


def test_help_answers_at_once_and_import_brings_no_torch() -> None:
    """No module that takes long to import: the time itself depends on the machine."""
    program = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from isthmus.cli import main; main()"
    help = subprocess.run([sys.executable, "-c", program, "--help"], check=True, capture_output=True, text=True)
    modules = help.stdout.splitlines()[-1].split()
    foreign = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    assert foreign - {"__main__", "_distutils_hack", "sitecustomize"} <= HELP_NEEDS
    assert len(modules) < 400
    subprocess.run([sys.executable, "-c", "import isthmus, sys; assert 'torch' not in sys.modules"], check=True)


def test_an_internal_error_is_not_bad_input(isthmus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: Any, **keys: Any) -> None:
        raise RuntimeError("two and two is five")

    monkeypatch.setattr("isthmus.verbs.describe.describe", fails)
    code, out, err = isthmus("describe", "run")
    assert (code, out) == (1, "")
    assert "internal error (RuntimeError: two and two is five)" in err
    assert err.count("\n") == 1
    with pytest.raises(RuntimeError, match="two and two"):
        main(["--debug", "describe", "run"])
