"""kill -9 at any moment of a training: the folder loads, and --resume gives the weights of an undisturbed run.

    python benchmarks/kill.py [--trials N]

A process that has imported everything forks one child per session; the child trains, with a checkpoint every 0.2
seconds instead of every 30, and is killed. Fifty trials write results/kill.json; any other number prints only.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: a fork must find no threads

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning_fabric  # noqa: F401 -- imported here, so that no child has to
import matplotlib.figure  # noqa: F401
import sklearn.cluster
import sklearn.datasets  # noqa: F401
import torch

import isthmus
from common import write
from isthmus import store
from isthmus.errors import BadInput
from isthmus.training import loop
from isthmus.verbs.train import train

TRIALS, SEED, AGAIN = 50, 0, 3  # AGAIN: times that a resumed session may be killed, each with probability 1/2
EVERY = 0.2  # seconds between checkpoints
HOW = {"device": "cpu", "quiet": True, "seed": 0}
RECIPES: dict[str, dict[str, Any]] = {
    "quantized": {"codes": 32, "dim": 4, "channels": "8,16", "ema": 0.9, "epochs": 6},
    # It stops early, and its best weights are not its last.
    "deep": {"widths": "128,64", "code": 8, "validation": 0.1, "patience": 1, "lr": 0.02, "schedule": "constant"},
}
WAYS = ("within", "before", "after")  # a file's writing, its new name, or that
PROTOCOL = (
    "A training on digits is killed with SIGKILL. Three of five trials: after a time drawn uniformly from the length "
    "of an undisturbed training, from the call of train() to its return; drawn again where it was over before. Two of "
    "five: in the writing of a file, drawn uniformly from all kinds of file that a training writes and from the times "
    "that it is written: when a random share of its bytes is there, when it is whole but has not its name yet, or just "
    "when it has it. After every kill isthmus.load() of the folder; then --resume, which is killed again, up to three "
    "times, with probability 1/2; the last session ends by itself. Its model.safetensors and history are compared with "
    "those of an undisturbed training, byte for byte (of the history all but the seconds), and no half-written file "
    "may be left. Checkpoints every 0.2 s, one thread, one machine."
)


@dataclass
class Wound:
    """When a session is to be killed: after `seconds`, or at the `number`-th write of `name`, in one of WAYS."""

    seconds: float | None = None
    name: str = ""
    number: int = 0
    way: str = ""
    share: float = 0.0

    def __str__(self) -> str:
        if self.seconds is not None:
            return f"after {self.seconds:.3f} s"
        return f"{self.way} write {self.number} of {self.name}"


@dataclass
class Whole:
    """An undisturbed training: its files, its length in seconds, and how often it wrote each kind of file."""

    run: Path
    seconds: float
    writes: Counter[str]


@dataclass
class Found:
    """What came out of the trials of one recipe."""

    trials: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    not_yet: int = 0
    loaded: int = 0
    newest: int = 0
    resumed: int = 0
    equal: int = 0
    clean: int = 0
    failures: list[str] = field(default_factory=list)

    def row(self, recipe: str) -> dict[str, Any]:
        return {
            "recipe": recipe,
            "trials": self.trials,
            "kills": self.kills.total(),
            "not_yet_a_run": self.not_yet,
            "loads": f"{self.loaded} of {self.kills.total() - self.not_yet}",
            "resumed_from_newest": f"{self.newest} of {self.resumed}",
            "bit_equal": f"{self.equal} of {self.trials}",
            "nothing_left_behind": f"{self.clean} of {self.trials}",
            "kills_by_moment": dict(sorted(self.kills.items())),
        }


def kind(name: str) -> str:
    """The kind of file: all checkpoints are one."""
    return "checkpoint" if name[:1].isdigit() else name


def child(work: Callable[[], None], log: Path) -> int:
    """The process id of a child that does `work` and ends with 0, or 1 and its traceback in `log`."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        with log.open("w") as file:
            os.dup2(file.fileno(), 2)
            work()
        code = 0
    except BaseException:
        log.write_text(traceback.format_exc())
    finally:
        os._exit(code)


def ended(pid: int) -> int:
    """The exit code of a child; minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def session(recipe: str, run: Path, wound: Wound | None, counts: Path | None = None) -> None:
    """In a child: train, or go on, and die where the wound says."""
    torch.set_num_threads(1)
    loop.CHECKPOINT_EVERY = EVERY
    writes: Counter[str] = Counter()
    replace = os.replace

    def wounded(temporary: Any, path: Any) -> None:
        name = kind(Path(path).name)
        writes[name] += 1
        dies = wound is not None and (name, writes[name]) == (wound.name, wound.number)
        if dies and wound.way == "within":
            os.truncate(temporary, int(wound.share * os.path.getsize(temporary)))
        if dies and wound.way != "after":
            os.kill(os.getpid(), signal.SIGKILL)
        replace(temporary, path)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)

    def begun(training: loop.Training) -> None:
        run.with_name("step").write_text(str(training.step))

    os.replace = wounded
    train(recipe, "digits", out=run, resume=True, callbacks={"start": begun}, **HOW | RECIPES[recipe])
    if counts is not None:
        counts.write_text(json.dumps(writes))


def undisturbed(recipe: str, folder: Path) -> Whole:
    """Train once for the files, and once more for the time, when all is warm."""
    for name in ("first", recipe):
        began = time.perf_counter()
        code = ended(child(lambda run=folder / name: session(recipe, run, None, folder / "counts"), folder / "log"))
        if code:
            sys.exit((folder / "log").read_text())
        seconds = time.perf_counter() - began
    if different(folder / "first", folder / recipe):
        sys.exit(f"two undisturbed trainings of {recipe} differ on this machine")
    shutil.rmtree(folder / "first")
    return Whole(folder / recipe, seconds, Counter(json.loads((folder / "counts").read_text())))


def history(run: Path) -> list[str]:
    """history.csv without its seconds."""
    rows = [line.split(",") for line in (run / store.HISTORY).read_text().splitlines()]
    column = rows[0].index("seconds")
    return [",".join(row[:column] + row[column + 1 :]) for row in rows]


def different(run: Path, whole: Path) -> str:
    """In which file a finished run differs from the undisturbed one."""
    if (run / store.WEIGHTS).read_bytes() != (whole / store.WEIGHTS).read_bytes():
        return store.WEIGHTS
    if history(run) != history(whole):
        return store.HISTORY
    return ""


def left_behind(run: Path) -> list[str]:
    """The half-written files in a run: ours, and those of safetensors. Their names all begin with a dot."""
    return sorted(path.name for path in run.rglob(".*"))


def draw(chance: random.Random, trial: int, whole: Whole) -> Wound:
    """A moment to be killed at; by time in three of five trials."""
    if trial // len(RECIPES) % 5 % 2 == 0:
        return Wound(chance.uniform(0, whole.seconds))
    name = chance.choice(sorted(whole.writes))
    return Wound(None, name, chance.randint(1, whole.writes[name]), chance.choice(WAYS), chance.random())


def hurt(recipe: str, run: Path, wound: Wound | None, log: Path) -> int:
    """One session, killed where `wound` says if it lasts so long; its exit code."""
    began = time.perf_counter()
    pid = child(lambda: session(recipe, run, wound), log)
    if wound is not None and wound.seconds is not None:
        time.sleep(max(0.0, wound.seconds - (time.perf_counter() - began)))
        os.kill(pid, signal.SIGKILL)  # it is still ours to kill: a child that has ended waits for ended()
    return ended(pid)


def newest_step(run: Path) -> int:
    """The step of the newest checkpoint that is whole."""
    return int(store.newest(store.checkpoints(run))[1]["step"])


def trial(recipe: str, number: int, whole: Whole, chance: random.Random, found: Found) -> bool:
    """Kill, load, go on, kill again perhaps; at last compare. False where the training was over before its moment."""
    folder = Path(tempfile.mkdtemp(dir=whole.run.parent))
    run, log, story = folder / "run", folder / "log", []
    wound: Wound | None = draw(chance, number, whole)
    expected: int | None = None  # the step from which the next session has to go on
    for attempt in range(AGAIN + 2):
        (folder / "step").unlink(missing_ok=True)
        code = hurt(recipe, run, wound, log)
        if code == 0 and not story:
            return False
        found.trials += not story
        story.append(str(wound) if wound and code == -signal.SIGKILL else "to the end")
        if expected is not None and (folder / "step").exists():
            found.resumed += 1
            found.newest += int((folder / "step").read_text()) == expected
        if code == 0:
            break
        if code != -signal.SIGKILL:
            found.failures.append(f"{recipe} {number}: {'; '.join(story)}: {log.read_text().strip().splitlines()[-1]}")
            return True
        assert wound is not None
        found.kills["in time" if wound.seconds is not None else f"{wound.way} {wound.name}"] += 1
        expected = None
        if store.is_run(run):
            loads = ended(child(lambda: isthmus.load(run) and None, log)) == 0
            found.loaded += loads
            try:
                expected = newest_step(run)
            except (BadInput, IndexError) as error:
                found.failures.append(f"{recipe} {number}: {'; '.join(story)}: {error}")
            if not loads:
                found.failures.append(f"{recipe} {number}: {'; '.join(story)}: does not load")
        else:
            found.not_yet += 1
        wound = draw(chance, chance.randrange(TRIALS), whole) if attempt < AGAIN and chance.random() < 0.5 else None
    apart, strays = different(run, whole.run), left_behind(run)
    found.equal += not apart
    found.clean += not strays
    if apart or strays:
        differences = [*([f"{apart} differs"] if apart else []), *(f"{name} is left behind" for name in strays)]
        found.failures.append(f"{recipe} {number}: {'; '.join(story)}: {', '.join(differences)}")
    shutil.rmtree(folder)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=TRIALS)
    trials, began, chance = parser.parse_args().trials, time.perf_counter(), random.Random(SEED)
    found = {recipe: Found() for recipe in RECIPES}
    with tempfile.TemporaryDirectory() as folder:
        wholes = {recipe: undisturbed(recipe, Path(folder)) for recipe in RECIPES}
        for number in range(trials):
            recipe = list(RECIPES)[number % len(RECIPES)]
            while not trial(recipe, number, wholes[recipe], chance, found[recipe]):
                pass
    rows = [each.row(recipe) for recipe, each in found.items()]
    failures = [failure for each in found.values() for failure in each.failures]
    if trials == TRIALS:
        write("kill", PROTOCOL, rows, time.perf_counter() - began, failures=failures, seed=SEED)
    print(json.dumps({"rows": rows, "failures": failures}))


if __name__ == "__main__":
    main()
