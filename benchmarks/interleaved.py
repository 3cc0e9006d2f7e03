"""Interleaved measurements: every contender runs once per round, in its own process on the same cores, so that a
temporarily slow machine affects all of them."""

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

Rounds = dict[str, list[dict[str, Any]]]  # the output of each contender, round by round
HERE = Path(__file__).parent
QUICK = "--quick" in sys.argv  # one round, without a results file
LOADED = "--loaded" in sys.argv  # other programs may run; recorded in the results file
ROUNDS, THREADS = 1 if QUICK else 5, 2
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0  # before the start: the load by other programs
MOST_LOAD = 0.5 * max(1, len(CORES))
ABSENT: list[str] = []  # contenders that did not run; an incomplete table is not written
POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Absent(Exception):
    """A contender cannot run here; the message has the reason."""


def script(name: str, *arguments: Any, python: str = sys.executable) -> list[str]:
    """The command of a script in peers/, by default with this interpreter and its torch."""
    return [python, str(HERE / "peers" / f"{name}.py"), *map(str, arguments)]


def environment(gpu: bool) -> dict[str, str]:
    """The environment of every contender: the number of threads, and no GPU for measurements on the CPU."""
    given = {name: str(THREADS) for name in POOLS}
    return os.environ | given | ({} if gpu else {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"})


def answer(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """The JSON of the last line that a contender prints. Raises Absent if the contender fails or skips."""
    if not Path(command[0]).exists():
        raise Absent(f"no {command[0]}: `make bench-peers` first")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise Absent(f"exit code {done.returncode}: {(done.stderr.strip().splitlines() or ['silent'])[-1]}")
    output: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "skipped" in output:
        raise Absent(output["skipped"])
    if output.get("threads", THREADS) != THREADS:
        raise Absent(f"it ran on {output['threads']} threads, not on {THREADS}: its environment overrides the number")
    return output


def quiet() -> None:
    """Raise SystemExit on a busy machine, where the two threads of small networks wait for each other."""
    if LOAD > MOST_LOAD and not (LOADED or QUICK):
        raise SystemExit(
            f"the load of this machine is {LOAD:.1f}, and speeds are measured up to {MOST_LOAD:g}: end other programs "
            "and wait a minute, or pass --loaded, which is recorded in the results"
        )


def scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # a compiler may still be writing to it


def enter(
    contenders: dict[str, list[str]],
    gpu: bool = False,
    needed: str = "isthmus",
    run: Callable[[list[str], dict[str, str]], dict[str, Any]] = answer,
) -> Rounds:
    """Run every contender once per round, in rotating order. Contenders that cannot run are left out.

    Raises SystemExit if this is `needed`. gpu: all cores and the GPU, instead of two cores.
    """
    measured: Rounds = {name: [] for name in contenders}
    names = list(contenders)
    quiet()
    if CORES:  # inherited by the contenders
        os.sched_setaffinity(0, CORES if gpu else CORES[:THREADS])
    with scratch() as compiled:  # shared by all rounds: compiled once
        for number in range(ROUNDS):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                if name not in measured:
                    continue
                with scratch() as cache:
                    folders = {"TORCHINDUCTOR_CACHE_DIR": compiled, "ISTHMUS_CACHE": cache}
                    try:
                        measured[name].append(run(contenders[name], environment(gpu) | folders))
                    except Absent as reason:
                        print(f"{name}: left out ({reason})", flush=True)
                        ABSENT.append(name)
                        del measured[name]
                        continue
                print(f"round {number + 1}  {name}", flush=True)
    if needed not in measured:
        raise SystemExit(f"{needed} did not run: there is nothing to compare with")
    return measured


def compare(measured: Rounds, pick: Callable[[dict[str, Any]], list[float]], **ours: str) -> list[dict[str, Any]]:
    """A row per contender: the median over all rounds of the seconds that `pick` selects, and its ratio to ours.

    ours: key prefix -> contender. For isthmus="isthmus", `isthmus_times` is the factor by which it is faster than this
    contender, and `isthmus_range` the lowest and highest factor of a round.
    """
    rounds = {name: [statistics.median(pick(output)) for output in rows] for name, rows in measured.items()}
    median = {name: statistics.median([s for output in rows for s in pick(output)]) for name, rows in measured.items()}
    rows = []
    for name in measured:
        row: dict[str, Any] = {"model": name, "seconds": median[name]}
        for start, own in ours.items():
            if own in measured and name not in ours.values():
                each = [theirs / mine for theirs, mine in zip(rounds[name], rounds[own], strict=True)]
                row |= {f"{start}_times": median[name] / median[own], f"{start}_range": [min(each), max(each)]}
        rows.append(row)
    return rows


def record(
    part: str, protocol: str, rows: list[dict[str, Any]], began: float, measured: dict[str, Rounds], **more: Any
) -> None:
    """Write the results file with the outputs of all contenders; with --quick, print the rows instead."""
    if QUICK:
        for row in rows:
            print(row, flush=True)
        return
    if ABSENT:
        raise SystemExit(f"nothing is written: {', '.join(ABSENT)} did not run")
    peers = {
        name: outputs[0]["versions"]
        for group in measured.values()
        for name, outputs in group.items()
        if "versions" in outputs[0]
    }
    torch.set_num_threads(THREADS)  # recorded by `machine`
    around = {"load": LOAD, "loaded": LOADED, "peers": peers, "rounds": measured}
    write(f"speed-{part}", protocol, rows, time.perf_counter() - began, **around, **more)
