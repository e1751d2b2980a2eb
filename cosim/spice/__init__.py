"""Decks in, results out: the only place that knows PySpice and ngspice."""

from cosim.spice.deck import Deck, Failure, FailureKind, Result, Tolerances
from cosim.spice.library import Simulator, probe
from cosim.spice.pool import SimulatorPool, default_pool, simulate

__all__ = [
    "Deck",
    "Failure",
    "FailureKind",
    "Result",
    "Simulator",
    "SimulatorPool",
    "Tolerances",
    "default_pool",
    "probe",
    "simulate",
]
