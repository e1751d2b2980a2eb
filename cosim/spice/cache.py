"""Content-addressed store of simulation results, and the kept decks and logs of failures.

Layout below `cache_folder()/spice`: `results/ab/abcd....npz` (one file a deck key, signals and a JSON header) and
`failures/abcd..../{deck.cir, log.txt}`. Files appear whole or not at all, so that killed runs and several processes
at once do no harm. A damaged entry counts as absent.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import numpy as np

from cosim.spice.deck import Deck, Result
from cosim.spice.library import cache_folder


def result_path(key: str) -> Path:
    return cache_folder() / "spice" / "results" / key[:2] / f"{key}.npz"


def fetch(key: str) -> Result | None:
    """The stored result of a deck, or None."""
    path = result_path(key)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            header = json.loads(str(stored["header"]))
            signals = dict(zip(header["signals"], stored["values"], strict=True))
        return Result(key, signals, None, header["log"], header["elapsed"], tuple(header["attempts"]))
    except Exception:  # a damaged file may raise anything: zlib.error, EOFError, BadZipFile, KeyError ...
        return None


def store(result: Result) -> bool:
    """Keep a good result; False where the folder cannot be written (the run goes on without)."""
    path = result_path(result.key)
    header = json.dumps(
        {
            "signals": list(result.signals),
            "log": result.log[-4000:],
            "elapsed": result.elapsed,
            "attempts": list(result.attempts),
        }
    )
    values = np.array(list(result.signals.values()))  # one array: a file of many small ones is slow to open
    draft = path.with_name(f"{path.stem}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            np.savez_compressed(file, header=np.array(header), values=values)
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        return False
    return True


def keep_failure(deck: Deck, result: Result, *, klu: bool) -> str | None:
    """Write deck and log of a failed run where its user can open them; the deck's path."""
    folder = cache_folder() / "spice" / "failures" / result.key
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "deck.cir").write_text(deck.text(klu=klu))
        (folder / "log.txt").write_text(result.log + "\n")
    except OSError:
        return None
    return str(folder / "deck.cir")
