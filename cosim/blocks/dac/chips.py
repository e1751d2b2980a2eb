"""One chip of DAC: its resistors or capacitors, and the mismatch of its switches or drivers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.dac.config import DacConfig
from cosim.process import mismatch_of
from cosim.seeds import stream

Array = NDArray[np.float64]
SIDES = 2  # word lines of a pair


@dataclass(frozen=True)
class Chip:
    """What varies from chip to chip; the two word lines of a pair vary independently.

    Attributes
    ----------
    legs: resistors 2R of the bits, the terminating one first, shape (sides, bits - 1 + 1) [ohm].
    rungs: resistors R between the nodes of the ladder, shape (sides, bits - 2) [ohm].
    capacitors: of the bits, the one that is never switched first, shape (sides, bits - 1 + 1) [F].
    mismatch: parameters of each call of the part, shape (sides, calls, names).
    names: what these parameters are called in the part.
    """

    legs: Array
    rungs: Array
    capacitors: Array
    mismatch: Array
    names: tuple[str, ...]


def nominal_chip(config: DacConfig) -> Chip:
    """The chip without any variation."""
    names, sigmas = _mismatch(config)
    shape = _shapes(config)
    return Chip(
        np.full(shape["legs"], 2 * config.r_unit),
        np.full(shape["rungs"], config.r_unit),
        config.c_unit * np.tile(_units(config), (SIDES, 1)),
        np.zeros((SIDES, _calls(config), len(sigmas))),
        names,
    )


def draw_chips(config: DacConfig, count: int, seed: int) -> list[Chip]:
    """`count` chips; chip n depends on the seed, the number of bits and n alone.

    2R is two units in series, a capacitor of k units k in parallel: relative sigmas of r_sigma / sqrt(2) and
    c_sigma / sqrt(k).
    """
    nominal = nominal_chip(config)
    units = _units(config)
    chips = []
    for child in stream(seed, f"dac: chips of {config.bits} bits").spawn(count):
        of_resistors, of_capacitors, of_switches = (np.random.default_rng(each) for each in child.spawn(3))
        legs = nominal.legs * (1 + config.r_sigma / np.sqrt(2) * of_resistors.standard_normal(nominal.legs.shape))
        rungs = nominal.rungs * (1 + config.r_sigma * of_resistors.standard_normal(nominal.rungs.shape))
        relative = config.c_sigma / np.sqrt(units) * of_capacitors.standard_normal(nominal.capacitors.shape)
        names, sigmas = _mismatch(config)
        mismatch = sigmas * of_switches.standard_normal(nominal.mismatch.shape)
        chips.append(Chip(legs, rungs, nominal.capacitors * (1 + relative), mismatch, names))
    return chips


def _units(config: DacConfig) -> Array:
    """Unit capacitors of each capacitor, the one that is never switched first."""
    return np.concatenate([[1.0], 2.0 ** np.arange(config.bits - 1)])


def _shapes(config: DacConfig) -> dict[str, tuple[int, int]]:
    return {"legs": (SIDES, config.bits), "rungs": (SIDES, config.bits - 2)}


def _calls(config: DacConfig) -> int:
    return 1 if config.kind == "pulse_width" else config.bits


def _mismatch(config: DacConfig) -> tuple[tuple[str, ...], Array]:
    part = config.part()
    if not part.has_transistors:
        return (), np.empty(0)
    kind = mismatch_of(part.text, config.cmos, key="driver" if config.kind == "pulse_width" else "switch")
    return kind.names, kind.sigmas


def element_names(config: DacConfig) -> tuple[str, ...]:
    """Resistors or capacitors of one word line, as `deviations` orders them; a driver of pulses has none."""
    if config.kind == "pulse_width":
        return ()
    if config.kind == "capacitive":
        return tuple(f"capacitor{number}" for number in range(config.bits))
    return (*(f"leg{number}" for number in range(config.bits)), *(f"rung{number}" for number in range(config.bits - 2)))


def element_sigmas(config: DacConfig) -> Array:
    """Relative sigma of each of these elements, shape (elements,)."""
    if config.kind == "pulse_width":
        return np.empty(0)
    if config.kind == "capacitive":
        return config.c_sigma / np.sqrt(_units(config))
    shapes = _shapes(config)
    legs, rungs = shapes["legs"][1], shapes["rungs"][1]
    return config.r_sigma * np.concatenate([np.full(legs, 1 / np.sqrt(2)), np.ones(rungs)])


def deviations(config: DacConfig, chip: Chip) -> Array:
    """Relative deviation of each element of a chip from the nominal one, shape (sides, elements)."""
    nominal = nominal_chip(config)
    if config.kind == "pulse_width":
        return np.empty((SIDES, 0))
    if config.kind == "capacitive":
        return chip.capacitors / nominal.capacitors - 1
    return np.concatenate([chip.legs / nominal.legs, chip.rungs / nominal.rungs], axis=1) - 1


def mismatch_sigmas(config: DacConfig) -> Array:
    """Sigma of each parameter of the switches' or drivers' mismatch, shape (names,)."""
    return _mismatch(config)[1]
