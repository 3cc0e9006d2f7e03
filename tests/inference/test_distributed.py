"""embed and reconstruct in two processes write the bytes of one process, and no other files."""

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
from isthmus.distributed import rank_rows
from isthmus.inference.distributed import rows_of_rank

RunOf = Callable[[str], Path]

# One warm process forks two ranks a scene; each runs the commands in turn, and says how each of them ended. A rank with
# a wound has it at its second chunk: an error, a SIGTERM, or a SIGKILL once its part is written. Where pictures are
# counted, it waits for `after` of them first, and the other rank of a `late` one waits before its fifth, or within it,
# until their folder is gone. What hangs is killed, by a clock that stands still while all are stopped.
SCENES = """
import json, os, random, signal, socket, sys, threading, time
import isthmus.jobs.autoencoding.commands, isthmus.jobs.autoencoding.reconstruct, lightning_fabric, numpy, torch
from pathlib import Path
from PIL import Image
from isthmus.autoencoder import Autoencoder
from isthmus.cli import main
from isthmus.errors import BadInput
from isthmus.report import pictures

def limit():
    for _ in range(600):
        time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGKILL)

def wounded(method, name, way, after):
    def once(self, *arguments, **keys):
        once.calls += 1
        while once.calls > 1 and len(list(Path().glob(f".{name}.*/*.png"))) < after:
            time.sleep(0.01)
        if once.calls > 1 and way == "error":
            raise BadInput("a file that broke")
        if once.calls > 1 and way == "term":
            os.kill(os.getpid(), signal.SIGTERM)
        return method(self, *arguments, **keys)
    once.calls = 0
    return once

def killed(save):
    def last(*arguments, **keys):
        save(*arguments, **keys)
        os.kill(os.getpid(), signal.SIGKILL)
    return last

def late(method, name):
    def fifth(*arguments, **keys):
        fifth.calls += 1
        while fifth.calls == 5 and list(Path().glob(f".{name}.*")):
            time.sleep(0.01)
        return method(*arguments, **keys)
    fifth.calls = 0
    return fifth

def play(name, rank, port, commands, wound):
    shared = {"WORLD_SIZE": "2", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ.update(shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
    threading.Thread(target=limit, daemon=True).start()
    for number, stream in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{name}.{rank}.{stream}", os.O_CREAT | os.O_WRONLY), number)
    torch.set_num_threads(1)
    if wound and wound["rank"] != rank and wound["late"] == "before":
        pictures.to_image = late(pictures.to_image, name)
    if wound and wound["rank"] != rank and wound["late"] == "within":
        Image.Image.save = late(Image.Image.save, name)
    if wound and wound["rank"] == rank and wound["way"] == "kill":
        numpy.save = killed(numpy.save)
    elif wound and wound["rank"] == rank:
        for method in ("encode", "reconstruct"):
            given = getattr(Autoencoder, method), name, wound["way"], wound["after"]
            setattr(Autoencoder, method, wounded(*given))
    code = 0
    for command in commands:
        try:
            main([*command, "--devices", "2", "--device", "cpu"])
        except SystemExit as end:
            code = code or int(end.code or 0)
    os._exit(code)

def free_port():
    # Below those that the system hands out, or another program may be given it before we are there.
    while True:
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", random.randrange(20000, 32000)))
            except OSError:
                continue
            return free.getsockname()[1]

said = {}
for name, commands, wound in json.load(sys.stdin):
    port, ranks = free_port(), []
    for rank in range(2):
        if not (child := os.fork()):
            play(name, rank, port, commands, wound)
        ranks.append(child)
    said[name] = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in ranks]
print(json.dumps(said))
"""


LATE = ("before", "within")
WOUNDS = [f"{kind}-error{rank}" for kind in ("array", "codes", "folder") for rank in (0, 1)]
WOUNDS += ["array-term1", "array-kill0", "array-kill1", "codes-kill1", "folder-term0", "folder-term1"]
WOUNDS += ["before-error0", "within-error0"]


def told(scene: str) -> tuple[str, str, int]:
    """What is made, the wound, and the rank that has it."""
    kind, _, wound = scene.partition("-")
    return kind, wound[:-1], int(wound[-1])


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
    scenes: list[tuple[str, list[list[str]], dict[str, Any] | None]] = [
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
    for name in (".codes.npz.codes.0.tmp", ".codes.npz.codes.7.tmp", ".array.npy.items.1.tmp"):
        (place / name).write_bytes(b"of a process that was killed")
    more = many.with_name("more.npy")  # four chunks: either rank has a second one
    np.save(more, np.resize(np.load(many), (CHUNK * 3 + 1, 1, 8, 8)))
    for scene in WOUNDS:
        kind, way, fails = told(scene)
        verb, suffix = ("embed", ".npz") if kind == "codes" else ("reconstruct", ".npy" if kind == "array" else "")
        whole = 3 * CHUNK if fails else 2 * CHUNK + 1  # pictures, once the other rank has written all of its own
        late = kind if kind in LATE else ""
        wound = {"rank": fails, "way": way, "after": CHUNK + 4 if late else whole * (kind == "folder"), "late": late}
        scenes.append((scene, [[verb, conv, str(more), "--out", scene + suffix]], wound))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCENES]
    done = subprocess.run(
        command, input=json.dumps(scenes), cwd=place, env=environment, capture_output=True, text=True, check=False
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
    lines = said(place, "many", 0).splitlines()
    assert [line for line in lines if line.startswith("Written: ")] == lines
    assert len(lines) == 7
    assert said(place, "many", 1) == ""


@pytest.mark.parametrize("scene", WOUNDS)
def test_where_one_rank_fails_the_other_ends_too(scene: str, played: Any) -> None:
    place, codes = played
    _, way, fails = told(scene)
    wanted = [130, 130]
    wanted[fails] = {"error": 2, "term": 130, "kill": -9}[way]
    assert codes[scene] == wanted, said(place, scene, 0) + said(place, scene, 1)
    words = {"error": "isthmus: a file that broke\n", "term": "" if fails else "isthmus: stopped\n", "kill": ""}
    assert said(place, scene, fails) == words[way]
    other = said(place, scene, 1 - fails).splitlines()
    assert other[0] == "isthmus: another process of this run ended, and so does this one"
    assert "Traceback" not in "".join(other)


def test_nothing_half_made_has_the_name_of_a_result(played: Any) -> None:
    place, _ = played
    left = {path.name for path in place.iterdir() if path.suffix not in (".out", ".err") and path.name[0] != "."}
    assert left == {"codes.npz", "symbols.npz", "array.npy", "folder", "few.npy", "below", "one"}


def test_nothing_but_results_is_left(played: Any) -> None:
    """Not by a rank that was left alone, nor of the one that was killed, nor of those killed before."""
    place, _ = played
    assert not list(place.rglob(".*"))


def test_one_process_removes_leftovers_of_several(run_of: RunOf, many: Path, tmp_path: Path) -> None:
    for name in (".codes.npz.codes.1.tmp", ".codes.npz.other.1.tmp", ".codes.npz.npz.codes.1.tmp"):
        (tmp_path / name).write_bytes(b"of a process that was killed")
    embed(run_of("conv"), many, first=2, out=tmp_path / "codes.npz")
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {"codes.npz", ".codes.npz.other.1.tmp", ".codes.npz.npz.codes.1.tmp"}


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [1, CHUNK, CHUNK + 1, 3 * CHUNK - 5])
def test_the_ranks_share_all_rows_in_whole_chunks(count: int, ranks: int) -> None:
    class Some:
        world_size = ranks

        def __init__(self, rank: int) -> None:
            self.global_rank = rank

    parts: list[slice] = [rows_of_rank(range(count), Some(rank)) for rank in range(ranks)]  # type: ignore[arg-type]
    rows = [row for part in parts for row in range(part.start, part.stop)]
    assert rows == list(range(count))
    assert all(part.start % CHUNK == 0 for part in parts if part.start < part.stop)
    taken = [rank_rows(count, Some(rank)) for rank in range(ranks)]  # type: ignore[arg-type]
    assert torch.cat([torch.arange(count)[part] for part in taken]).tolist() == list(range(count))
