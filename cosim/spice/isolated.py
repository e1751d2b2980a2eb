"""A fresh process for each deck: `ngspice -b` where the program is installed, else the shared library by itself.

Slower to start than the persistent session (10 ms for the program, half a second for the library), but nothing of
one run can reach the next, and a stuck or crashed run takes nothing with it.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosim.spice.deck import Deck, Failure, FailureKind, Result, sampled
from cosim.spice.library import Simulator
from cosim.spice.log import classify


def run_isolated(deck: Deck, simulator: Simulator, *, key: str = "", timeout: float = 300.0) -> Result:
    """Run a deck once in a process of its own, killed after `timeout` seconds."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="cosim-") as name:
        folder = Path(name)
        try:
            if _program_is_the_same(simulator):
                signals, log = _by_program(deck, simulator, folder, timeout)
            else:
                signals, log = _by_library(deck, simulator, folder, timeout)
        except subprocess.TimeoutExpired:
            failure = Failure(FailureKind.TIMEOUT, f"no answer within {timeout:g} s; the process was killed")
            return Result(key, {}, failure, str(failure.line), time.perf_counter() - started)
    failure_or_none = classify(log, signals, deck.saves)
    kept = {} if failure_or_none else sampled(signals, deck.sample_at)
    return Result(key, kept, failure_or_none, log, time.perf_counter() - started)


def _program_is_the_same(simulator: Simulator) -> bool:
    """A program of another version than the library (Debian 12's own is 39) would give an answer of another name."""
    if simulator.program is None:
        return False
    return simulator.library is None or simulator.program_version == simulator.version


def _by_program(
    deck: Deck, simulator: Simulator, folder: Path, timeout: float
) -> tuple[dict[str, NDArray[np.float64]], str]:
    (folder / "deck.cir").write_text(deck.text(klu=simulator.klu))
    done = subprocess.run(
        [str(simulator.program), "-n", "-b", "-r", "out.raw", "deck.cir"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C", "OMP_NUM_THREADS": "1"},
    )
    raw = folder / "out.raw"
    signals = read_raw(raw.read_bytes()) if raw.is_file() else {}
    return signals, done.stdout + done.stderr


def _by_library(
    deck: Deck, simulator: Simulator, folder: Path, timeout: float
) -> tuple[dict[str, NDArray[np.float64]], str]:
    assert simulator.library is not None
    (folder / "in.pickle").write_bytes(pickle.dumps((deck, simulator.library, simulator.klu)))
    done = subprocess.run(
        [sys.executable, "-m", "cosim.spice.isolated", str(folder)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    answer = folder / "out.pickle"
    if not answer.is_file():
        return {}, f"{done.stdout}{done.stderr}\nthe process ended with status {done.returncode}"
    signals, log = pickle.loads(answer.read_bytes())
    return signals, log


def read_raw(content: bytes) -> dict[str, NDArray[np.float64]]:
    """The last plot of ngspice's binary raw file: name -> real values of shape (points,)."""
    start = content.rfind(b"Title:")
    head, _, data = content[max(start, 0) :].partition(b"Binary:\n")
    if not data:
        return {}
    names: list[str] = []
    points = 0
    is_complex = False
    in_variables = False
    for line in head.decode("latin-1").splitlines():
        if line.startswith("No. Points:"):
            points = int(line.split(":")[1])
        elif line.startswith("Flags:"):
            is_complex = "complex" in line
        elif line.startswith("Variables:"):
            in_variables = True
        elif in_variables and line.strip():
            names.append(line.split()[1].lower())
    kind = np.complex128 if is_complex else np.float64
    whole = len(data) // (np.dtype(kind).itemsize * max(len(names), 1))
    table = np.frombuffer(data, dtype=kind, count=min(points, whole) * len(names)).reshape(-1, len(names))
    return {name: np.ascontiguousarray(table[:, number].real) for number, name in enumerate(names)}


def _main(folder: Path) -> None:
    from cosim.spice.session import open_session

    deck, library, klu = pickle.loads((folder / "in.pickle").read_bytes())
    result = open_session(library).run_deck(_unsampled(deck), klu=klu)
    (folder / "out.pickle").write_bytes(pickle.dumps((dict(result.signals), result.log)))


def _unsampled(deck: Deck) -> Deck:
    from dataclasses import replace

    return replace(deck, sample_at=())


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
