"""Contenders in turn: each in a process of its own, on the same cores, round after round, so that a machine that is
slow for a while is slow for all of them."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from common import write

Told = dict[str, list[dict[str, Any]]]  # what each contender said, round by round
HERE = Path(__file__).parent
QUICK = "--quick" in sys.argv  # one round, and nothing written
LOADED = "--loaded" in sys.argv  # others may be at work; the results file says so
ROUNDS, THREADS = 1 if QUICK else 5, 2
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0  # before we start: what others do at the same time
MOST_LOAD = 0.5 * max(1, len(CORES))
ABSENT: list[str] = []  # contenders that were left out: a table without one is not written
POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Absent(Exception):
    """A contender that cannot run here, and why."""


def script(name: str, *arguments: Any, python: str = sys.executable) -> list[str]:
    """The command of a script in peers/; with our own interpreter, and so our own torch, unless another is named."""
    return [python, str(HERE / "peers" / f"{name}.py"), *map(str, arguments)]


def environment(gpu: bool) -> dict[str, str]:
    """What every contender gets, ours too: as many threads, and no look at a GPU where the job is a processor's."""
    given = {name: str(THREADS) for name in POOLS}
    return os.environ | given | ({} if gpu else {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"})


def answer(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """The JSON of the last line that a contender prints. Raises Absent where it has nothing to say."""
    if not Path(command[0]).exists():
        raise Absent(f"no {command[0]}: `make bench-peers` first")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise Absent(f"exit code {done.returncode}: {(done.stderr.strip().splitlines() or ['silent'])[-1]}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "skipped" in said:
        raise Absent(said["skipped"])
    if said.get("threads", THREADS) != THREADS:
        raise Absent(
            f"it ran on {said['threads']} threads, not on {THREADS}: something in its environment overrode that"
        )
    return said


def quiet() -> None:
    """SystemExit where others are at work as we start: small nets on two threads wait for each other then."""
    if LOAD > MOST_LOAD and not (LOADED or QUICK):
        raise SystemExit(
            f"the load of this machine is {LOAD:.1f}, and speeds are measured up to {MOST_LOAD:g}: end other work and "
            "wait a minute, or pass --loaded, which the results then say"
        )


def scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # a compiler may still be tidying up in it


def enter(
    contenders: dict[str, list[str]],
    gpu: bool = False,
    needed: str = "isthmus",
    run: Callable[[list[str], dict[str, str]], dict[str, Any]] = answer,
) -> Told:
    """Run every contender once a round; who is first moves on from round to round. Left out is who cannot run.

    Stops where that is `needed`. gpu: all cores and the GPU, instead of two cores alone.
    """
    told: Told = {name: [] for name in contenders}
    names = list(contenders)
    quiet()
    if CORES:  # inherited: libraries that count the cores find these
        os.sched_setaffinity(0, CORES if gpu else CORES[:THREADS])
    with scratch() as compiled:  # one for all rounds: the first compiles, the others find it done
        for number in range(ROUNDS):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                if name not in told:
                    continue
                with scratch() as cache:
                    places = {"TORCHINDUCTOR_CACHE_DIR": compiled, "ISTHMUS_CACHE": cache}
                    try:
                        told[name].append(run(contenders[name], environment(gpu) | places))
                    except Absent as reason:
                        print(f"{name}: left out ({reason})", flush=True)
                        ABSENT.append(name)
                        del told[name]
                        continue
                print(f"round {number + 1}  {name}", flush=True)
    if needed not in told:
        raise SystemExit(f"{needed} did not run: there is nothing to compare with")
    return told


def beside(told: Told, pick: Callable[[dict[str, Any]], list[float]], **ours: str) -> list[dict[str, Any]]:
    """A row a contender: the median of the seconds that `pick` finds in all its rounds, and its time over ours.

    ours: names of our own contenders by the start of their keys. For isthmus="isthmus", `isthmus_times` says how many
    times as fast as this contender it is, and `isthmus_range` the lowest and highest of that in any one round.
    """
    rounds = {name: [statistics.median(pick(said)) for said in rows] for name, rows in told.items()}
    median = {name: statistics.median([s for said in rows for s in pick(said)]) for name, rows in told.items()}
    rows = []
    for name in told:
        row: dict[str, Any] = {"model": name, "seconds": median[name]}
        for start, own in ours.items():
            if own in told and name not in ours.values():
                each = [theirs / mine for theirs, mine in zip(rounds[name], rounds[own], strict=True)]
                row |= {f"{start}_times": median[name] / median[own], f"{start}_range": [min(each), max(each)]}
        rows.append(row)
    return rows


def record(
    part: str, protocol: str, rows: list[dict[str, Any]], began: float, told: dict[str, Told], **more: Any
) -> None:
    """The results file with all that every contender said; with --quick the rows alone, on the screen."""
    if QUICK:
        for row in rows:
            print(row, flush=True)
        return
    if ABSENT:
        raise SystemExit(f"nothing is written: {', '.join(ABSENT)} did not run")
    peers = {
        name: said[0]["versions"]
        for contest in told.values()
        for name, said in contest.items()
        if "versions" in said[0]
    }
    torch.set_num_threads(THREADS)  # what `machine` writes down is what the contenders had
    around = {"load": LOAD, "loaded": LOADED, "peers": peers, "rounds": told}
    write(f"speed-{part}", protocol, rows, time.perf_counter() - began, **around, **more)
