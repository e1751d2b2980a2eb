"""Decks in, results out: the only place that knows PySpice and ngspice."""

from cosim.spice.deck import Deck, Failure, FailureKind, Result, Tolerances
from cosim.spice.library import Simulator, probe
from cosim.spice.pool import SimulatorPool, default_pool, simulate
from cosim.spice.schedulers import open_pool

__all__ = [
    "Deck",
    "Failure",
    "FailureKind",
    "Result",
    "Simulator",
    "SimulatorPool",
    "Tolerances",
    "default_pool",
    "open_pool",
    "probe",
    "simulate",
]
