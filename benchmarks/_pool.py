"""A pool of simulators that adds up the run time that ngspice itself reports."""

from __future__ import annotations

from collections.abc import Sequence

from cosim.spice import Deck, Result, SimulatorPool


class TimedPool(SimulatorPool):
    """Adds up ngspice's own time."""

    simulated = 0.0  # [s]
    decks = 0

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        results = super().run(decks, label)
        self.simulated += sum(each.elapsed for each in results)
        self.decks += len(results)
        return results
