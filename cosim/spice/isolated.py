"""A fresh process for each deck: `ngspice -b` where the program is installed, else the shared library by itself.

Slower to start than the persistent session (10 ms for the program, half a second for the library), but nothing of
one run can reach the next, and a stuck or crashed run takes nothing with it.
"""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosim.spice.deck import Deck, Failure, FailureKind, Result, of_one_length, real_signals, sampled
from cosim.spice.library import Simulator
from cosim.spice.log import classify
from cosim.spice.orphans import bound_to_this_process, end_with_parent

# The program calls every vector a voltage or a current; the library leaves swept sources and device parameters bare.
_WRAPPED = re.compile(r"^[vi]\((.*-sweep|@.*|[io]noise_.*)\)$")

_CHILD = "from cosim.spice.isolated import answer_in; answer_in()"

_Answer = tuple[dict[str, NDArray[np.float64]], Failure | None, str]


def run_isolated(deck: Deck, simulator: Simulator, *, key: str = "", timeout: float = 300.0) -> Result:
    """Run a deck once in a process of its own, killed after `timeout` seconds."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="cosim-") as name:
        folder = Path(name)
        try:
            run = _by_program if _program_is_the_same(simulator) else _by_library
            signals, failure, log = run(deck, simulator, folder, timeout)
        except subprocess.TimeoutExpired:
            failure = Failure(FailureKind.TIMEOUT, f"no answer within {timeout:.3g} s; the process was killed")
            return Result(key, {}, failure, failure.line, time.perf_counter() - started)
    kept = {} if failure else sampled(signals, deck.sample_at)
    return Result(key, kept, failure, log, time.perf_counter() - started)


def _program_is_the_same(simulator: Simulator) -> bool:
    """A program of another version than the library (Debian 12's own is 39) would give an answer of another name."""
    if simulator.program is None:
        return False
    return simulator.library is None or simulator.program_version == simulator.version


def _by_program(deck: Deck, simulator: Simulator, folder: Path, timeout: float) -> _Answer:
    (folder / "deck.cir").write_text(deck.text(klu=simulator.klu))
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        bound_to_this_process([str(simulator.program), "-n", "-b", "-r", "out.raw", "deck.cir"], environment),
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    raw = folder / "out.raw"
    signals = read_raw(raw.read_bytes()) if raw.is_file() else {}
    log = done.stdout + done.stderr
    return signals, classify(log, signals, deck.saves), log


def _by_library(deck: Deck, simulator: Simulator, folder: Path, timeout: float) -> _Answer:
    assert simulator.library is not None
    (folder / "in.pickle").write_bytes(pickle.dumps((deck, simulator.library, simulator.klu)))
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            _CHILD,
            str(folder),
            str(os.getpid()),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    answer = folder / "out.pickle"
    if not answer.is_file():
        line = f"the process ended with status {done.returncode}"
        return {}, Failure(FailureKind.CRASH, line), f"{done.stdout}{done.stderr}\n{line}"
    result: Result = pickle.loads(answer.read_bytes())
    return dict(result.signals), result.failure, result.log


def read_raw(content: bytes) -> dict[str, NDArray[np.float64]]:
    """All plots of ngspice's binary raw file: name -> values of shape (points,), see `Result.signals`.

    A noise analysis writes two; where plots share a name the later one counts.
    """
    signals: dict[str, NDArray[np.float64]] = {}
    while content:
        head, _, data = content.partition(b"Binary:\n")
        names, points, kind = _raw_header(head.decode("latin-1"))
        size = np.dtype(kind).itemsize * points * len(names)
        if not names or len(data) < size:
            return {}  # the program ended before the file was whole
        table = np.frombuffer(data[:size], dtype=kind).reshape(points, len(names))
        signals |= real_signals({name: table[:, number] for number, name in enumerate(names)})
        content = data[size:]
    return of_one_length(signals)


def _raw_header(head: str) -> tuple[list[str], int, type[np.float64] | type[np.complex128]]:
    """Names of the vectors, their length and their type."""
    names: list[str] = []
    points = 0
    kind: type[np.float64] | type[np.complex128] = np.float64
    in_variables = False
    for line in head.splitlines():
        if line.startswith("No. Points:"):
            points = int(line.split(":")[1])
        elif line.startswith("Flags:") and "complex" in line:
            kind = np.complex128
        elif line.startswith("Variables:"):
            in_variables = True
        elif in_variables and line.strip():
            names.append(_WRAPPED.sub(r"\1", line.split()[1].lower()))
    return names, points, kind


def answer_in() -> None:
    """The process of `_by_library`: run the deck in the folder of the first argument; the second is the parent."""
    from cosim.spice.session import open_session

    end_with_parent(int(sys.argv[2]))
    folder = Path(sys.argv[1])
    deck, library, klu = pickle.loads((folder / "in.pickle").read_bytes())
    result = open_session(library).run_deck(replace(deck, sample_at=()), klu=klu)
    (folder / "out.pickle").write_bytes(pickle.dumps(result))
