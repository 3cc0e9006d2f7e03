"""embed and reconstruct in two processes write what one writes, byte for byte, and leave nothing else behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from isthmus import embed, reconstruct
from isthmus.autoencoder import CHUNK
from isthmus.machines import share
from isthmus.tasks.ranks import rows_of

RunOf = Callable[[str], Path]

# One warm process forks two ranks a scene; each runs the commands in turn, and says how each of them ended. A rank
# that `fails` does so at its second chunk.
SCENES = """
import json, os, signal, socket, sys
import isthmus.cli.app, isthmus.tasks.use, lightning_fabric, torch
from isthmus.autoencoder import Autoencoder
from isthmus.cli import main
from isthmus.errors import BadInput

def fail(method):
    def once(self, *arguments, **keys):
        once.calls += 1
        if once.calls > 1:
            raise BadInput("a file that broke")
        return method(self, *arguments, **keys)
    once.calls = 0
    return once

def play(name, rank, port, commands, fails):
    shared = {"WORLD_SIZE": "2", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ.update(shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
    signal.alarm(30)  # what hangs is killed
    for number, stream in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{name}.{rank}.{stream}", os.O_CREAT | os.O_WRONLY), number)
    torch.set_num_threads(1)
    if rank == fails:
        Autoencoder.encode, Autoencoder.reconstruct = fail(Autoencoder.encode), fail(Autoencoder.reconstruct)
    code = 0
    for command in commands:
        try:
            main([*command, "--devices", "2", "--device", "cpu"])
        except SystemExit as end:
            code = code or int(end.code or 0)
    os._exit(code)

said = {}
for name, commands, fails in json.load(sys.stdin):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ranks = []
    for rank in range(2):
        if not (child := os.fork()):
            play(name, rank, port, commands, fails)
        ranks.append(child)
    said[name] = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in ranks]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 digits: three chunks, so that the first rank has two of them."""
    file = tmp_path_factory.mktemp("data") / "many.npy"
    pixels = load_digits(return_X_y=True)[0][: 2 * CHUNK + 88].reshape(-1, 1, 8, 8)
    np.save(file, (pixels * 255 / 16).round().astype(np.uint8))
    return file


@pytest.fixture(scope="module")
def photos(many: Path) -> Path:
    """300 of them as pictures, some in a folder below."""
    folder = many.with_name("photos")
    for number, picture in enumerate(np.load(many)[:300]):
        place = folder / ("more" if number % 3 else ".") / f"{number:03d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture[0]).save(place)
    return folder


@pytest.fixture(scope="module")
def played(run_of: RunOf, many: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The folder in which all scenes were played, and the exit codes of each: {scene: [first rank, second]}."""
    conv, vq, place = str(run_of("conv")), str(run_of("quantized")), tmp_path_factory.mktemp("played")
    scenes: list[tuple[str, list[list[str]], int | None]] = [
        (
            "many",
            [
                ["embed", conv, str(many), "--out", "codes.npz"],
                ["embed", vq, str(many), "--out", "symbols.npz"],
                ["reconstruct", conv, str(many), "--out", "array.npy"],
                ["reconstruct", vq, str(photos), "--out", "folder"],
                ["reconstruct", conv, str(many), "--first", "20", "--out", "few.npy"],
                ["embed", vq, str(many), "--first", "20", "--out", "below/few.npz"],
                ["reconstruct", conv, str(photos), "--first", "1", "--out", "one"],
            ],
            None,
        )
    ]
    for rank in (0, 1):
        items = ["digits", "--first", str(CHUNK * 3 + 1)]  # four chunks: either rank has a second one to fail at
        scenes.append((f"array{rank}", [["reconstruct", conv, *items, "--out", f"a{rank}.npy"]], rank))
        scenes.append((f"codes{rank}", [["embed", conv, *items, "--out", f"c{rank}.npz"]], rank))
        scenes.append((f"folder{rank}", [["reconstruct", conv, *items, "--out", f"f{rank}"]], rank))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCENES],
        input=json.dumps(scenes),
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return place, json.loads(done.stdout)


def said(place: Path, scene: str, rank: int) -> str:
    assert (place / f"{scene}.{rank}.out").read_text() == ""
    return (place / f"{scene}.{rank}.err").read_text()


def same(a: Path, b: Path) -> None:
    with np.load(a, allow_pickle=False) as ours, np.load(b, allow_pickle=False) as theirs:
        assert sorted(ours.files) == sorted(theirs.files)
        for name in ours.files:
            assert (ours[name].dtype, ours[name].shape) == (theirs[name].dtype, theirs[name].shape)
            assert ours[name].tobytes() == theirs[name].tobytes()


def test_codes_are_the_same_to_the_bit(played: Any, run_of: RunOf, many: Path, tmp_path: Path) -> None:
    place, codes = played
    assert codes["many"] == [0, 0], said(place, "many", 0) + said(place, "many", 1)
    embed(run_of("conv"), many, out=tmp_path / "codes.npz")
    same(place / "codes.npz", tmp_path / "codes.npz")
    embed(run_of("quantized"), many, out=tmp_path / "symbols.npz")
    same(place / "symbols.npz", tmp_path / "symbols.npz")
    with np.load(place / "symbols.npz") as found:
        assert len(found["indices"]) == len(found["files"]) == 600
        assert len(np.unique(found["indices"])) > 2


def test_arrays_are_the_same_to_the_byte(played: Any, run_of: RunOf, many: Path, tmp_path: Path) -> None:
    place, _ = played
    reconstruct(run_of("conv"), many, out=tmp_path / "array.npy")
    assert (place / "array.npy").read_bytes() == (tmp_path / "array.npy").read_bytes()


def test_a_folder_is_the_same_to_the_byte(played: Any, run_of: RunOf, photos: Path, tmp_path: Path) -> None:
    place, _ = played
    reconstruct(run_of("quantized"), photos, out=tmp_path / "folder")
    ours, theirs = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in (place / "folder", tmp_path / "folder")
    )
    assert len(ours) == 300
    assert ours == theirs


def test_fewer_chunks_than_ranks_are_no_matter(played: Any, run_of: RunOf, many: Path, tmp_path: Path) -> None:
    place, _ = played
    reconstruct(run_of("conv"), many, first=20, out=tmp_path / "few.npy")
    assert (place / "few.npy").read_bytes() == (tmp_path / "few.npy").read_bytes()
    embed(run_of("quantized"), many, first=20, out=tmp_path / "few.npz")
    same(place / "below" / "few.npz", tmp_path / "few.npz")
    assert [path.suffix for path in (place / "one").iterdir()] == [".png"]


def test_one_speaks_for_both(played: Any) -> None:
    place, _ = played
    told = said(place, "many", 0).splitlines()
    assert [line for line in told if line.startswith("Written: ")] == told
    assert len(told) == 7
    assert said(place, "many", 1) == ""


@pytest.mark.parametrize("fails", [0, 1])
@pytest.mark.parametrize("kind", ["array", "codes", "folder"])
def test_where_one_rank_fails_the_other_ends_too(kind: str, fails: int, played: Any) -> None:
    place, codes = played
    scene = f"{kind}{fails}"
    wanted = [130, 130]
    wanted[fails] = 2
    assert codes[scene] == wanted, said(place, scene, 0) + said(place, scene, 1)
    assert said(place, scene, fails) == "isthmus: a file that broke\n"
    other = said(place, scene, 1 - fails).splitlines()
    assert other[0] == "isthmus: another process of this job ended, and so does this one"
    assert "Traceback" not in "".join(other)


def test_nothing_half_made_has_the_name_of_a_result(played: Any) -> None:
    place, _ = played
    left = {path.name for path in place.iterdir() if path.suffix not in (".out", ".err") and path.name[0] != "."}
    assert left == {"codes.npz", "symbols.npz", "array.npy", "folder", "few.npy", "below", "one"}


@pytest.mark.xfail(strict=True, reason="a rank that is left alone leaves its part behind")
def test_nothing_but_results_is_left(played: Any) -> None:
    place, _ = played
    assert not list(place.rglob(".*"))


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [1, CHUNK, CHUNK + 1, 3 * CHUNK - 5])
def test_the_ranks_share_all_rows_in_whole_chunks(count: int, ranks: int) -> None:
    class Some:
        world_size = ranks

        def __init__(self, rank: int) -> None:
            self.global_rank = rank

    parts: list[slice] = [rows_of(range(count), Some(rank)) for rank in range(ranks)]  # type: ignore[arg-type]
    rows = [row for part in parts for row in range(part.start, part.stop)]
    assert rows == list(range(count))
    assert all(part.start % CHUNK == 0 for part in parts if part.start < part.stop)
    taken = [share(count, Some(rank)) for rank in range(ranks)]  # type: ignore[arg-type]
    assert torch.cat([torch.arange(count)[part] for part in taken]).tolist() == list(range(count))
