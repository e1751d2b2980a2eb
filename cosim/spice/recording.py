"""Keeping the decks of a run for their reader."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cosim.errors import CosimError
from cosim.spice.deck import Deck, Result
from cosim.spice.library import Simulator


class RecordingPool:
    """A pool that also writes every deck it is given into a folder, as `<first 16 digits of its key>.cir`.

    `ngspice -b FILE` runs such a file as cosim does.
    """

    def __init__(self, pool: Any, folder: str | Path) -> None:
        self._pool = pool
        self.folder = Path(folder)
        self.written: set[str] = set()

    @property
    def simulator(self) -> Simulator:
        return self._pool.simulator  # type: ignore[no-any-return]

    def key(self, deck: Deck) -> str:
        return self._pool.key(deck)  # type: ignore[no-any-return]

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        for deck in decks:
            name = f"{self.key(deck)[:16]}.cir"
            if name not in self.written:
                try:
                    self.folder.mkdir(parents=True, exist_ok=True)
                    (self.folder / name).write_text(deck.text(klu=self.simulator.klu), encoding="utf-8")
                except OSError as error:
                    raise CosimError(f"cannot write the decks: {error.strerror or error}", file=self.folder) from error
                self.written.add(name)
        return self._pool.run(decks, label)  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)
