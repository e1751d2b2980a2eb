"""Power of the continuous-time comparators, from their supply currents in ngspice.

While the ramp lies below its input a comparator's tail current runs whole; above, the first stage's load is off and
what is left depends on the input's level, the second stage's sink beside it. So two powers, each a function of the
held MAC voltage, tell the energy of any conversion, whatever its function, bits and clock:

    E(v) = P_before(v) t_before + P_after(v) t_after

and the bias generator takes a third one all the time. Dynamic charges (of o1, o2 and the inverter, some tens of
femtojoules) are below a thousandth of it. The table of the shipped comparators is in `shipped/comparator_power.json`;
for any other circuit ngspice is asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.blocks.ramp_adc.chips import nominal_chip
from cosim.blocks.ramp_adc.column import integrator_line, timeline
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.netlist import comparator_lines, comparator_text, conversion_deck
from cosim.blocks.sources import pwl
from cosim.errors import CosimError
from cosim.provenance import sha256_of_json
from cosim.resources import shipped
from cosim.spice import Deck, SimulatorPool, default_pool
from cosim.tiles.array import HEADROOM, LEAST_OUTPUT

Array = NDArray[np.float64]

SCHEMA = "cosim.comparator_power/1"
SHIPPED = "comparator_power.json"
POINTS = 25  # held voltages, evenly over what an integrator's amplifier can hold
BEYOND = 0.02  # [V] by which the deck's ramp passes both the swing and the held voltage
SETTLED = 0.25  # share of each half of the deck that is left out, for what a trip leaves


@dataclass(frozen=True)
class ComparatorPower:
    """Supply powers of a comparator and of its bias generator.

    Attributes
    ----------
    levels: held MAC voltages above V_CLP, shape (points,) [V], ascending.
    before, after: power while the ramp is below and above them, shape (points,) [W].
    bias: of the bias generator, which all columns of a tile share [W].
    source: which simulation says so.
    """

    levels: Array
    before: Array
    after: Array
    bias: float
    source: str

    def energy(self, mac: ArrayLike, t_before: ArrayLike, t_after: ArrayLike) -> Array:
        """Of conversions with held voltages `mac` above V_CLP [V] and times [s], all of one shape [J].

        Beyond the measured levels the power of the last one is taken.
        """
        held = np.asarray(mac, dtype=np.float64)
        before = np.interp(held, self.levels, self.before)
        after = np.interp(held, self.levels, self.after)
        return np.asarray(before * np.asarray(t_before) + after * np.asarray(t_after))


def circuit_key(config: RampAdcConfig) -> str:
    """Hash of all that the powers depend on: the comparator and its models, bias, levels, supply, temperature."""
    stated = {
        name: getattr(config, name) for name in ("process", "corner", "temperature", "v_dd", "v_clp", "swing", "i_bias")
    }
    return sha256_of_json({**stated, "comparator": comparator_text(config), "models": config.models_text()})


def comparator_power(config: RampAdcConfig, pool: SimulatorPool | None = None) -> ComparatorPower:
    """From the shipped table where it holds this circuit, else from ngspice (`pool`; the default one if None).

    Raises CosimError when a simulation fails, or when ngspice is wanted and is not there.
    """
    known = _table().get(circuit_key(config))
    if known is not None:
        return _from_entry(known)
    return measure(config, pool or default_pool())


def measure(config: RampAdcConfig, pool: SimulatorPool) -> ComparatorPower:
    """Both powers at each level, from one deck a level."""
    levels = np.linspace(LEAST_OUTPUT, config.v_dd - HEADROOM, POINTS) - config.v_clp
    results = pool.run([power_deck(config, float(level)) for level in levels])
    for result in results:
        if result.failure is not None:
            raise CosimError(
                f"ngspice failed ({result.failure.kind}): {result.failure.line}", file=result.deck_file,
                key="comparator",
            )  # fmt: skip
    half = _half(config)
    times = _times(half)
    energy = np.array([result["v(evdd)"] for result in results]) * 1e-12
    bias = np.array([result["v(ebias)"] for result in results]) * 1e-12
    before = (energy[:, 1] - energy[:, 0]) / (times[1] - times[0])
    after = (energy[:, 3] - energy[:, 2]) / (times[3] - times[2])
    whole = float(np.mean((bias[:, 3] - bias[:, 0]) / (times[3] - times[0])))
    source = (
        f"ngspice {pool.simulator.version_text}: supply currents of {config.comparator}, {config.process}"
        f" {config.corner}, {config.temperature:g} degC, {config.v_dd:g} V, {config.i_bias * 1e6:g} uA"
    )
    return ComparatorPower(levels, before, after, whole, source)


def _half(config: RampAdcConfig) -> float:
    return 10 * config.t_clock


def _times(half: float) -> tuple[float, float, float, float]:
    return (SETTLED * half, half * (1 - 1e-3), half * (1 + SETTLED), 2 * half * (1 - 1e-3))


def power_deck(config: RampAdcConfig, level: float) -> Deck:
    """One nominal comparator: its ramp below swing and held voltage for half of the time, then above both."""
    half, reach = _half(config), config.swing / 2
    low = config.v_clp + min(-reach, level) - BEYOND
    high = config.v_clp + max(reach, level) + BEYOND
    chip, times = nominal_chip(config), timeline(config, 1)
    held = integrator_line("h0", "hb0", "m0", config, v0=config.v_clp + level).replace(" rst ", " 0 ")
    ramp = ["Vramp ramp 0 " + pwl([(0.0, low), (half, low), (half + 1e-9, high)]), "Veread eread 0 0"]
    comparator = comparator_lines(0, "m0", chip.names, chip.mismatch[0], config)
    deck = conversion_deck("power of a comparator", config, ramp, times, [held], comparator, 1)
    stops = _times(half)
    analysis = (f".tran {config.t_clock / 20:.9g} {2 * half:.12g} uic",)
    return Deck(deck.title, deck.circuit, analysis, deck.saves, deck.tolerances, stops)


# The shipped table


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Any]:
    path = shipped(f"costs/{SHIPPED}")
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.get("schema") != SCHEMA:
        raise CosimError("not a table of comparator powers", file=path, key="schema", allowed=SCHEMA)
    return dict(content["circuits"])


def _from_entry(entry: Mapping[str, Any]) -> ComparatorPower:
    levels, before, after = (np.array(entry[name], dtype=np.float64) for name in ("levels", "before", "after"))
    return ComparatorPower(levels, before, after, float(entry["bias"]), str(entry["source"]))


def entry_of(power: ComparatorPower) -> dict[str, Any]:
    """What the table holds of a circuit, to five digits."""
    numbers = {
        name: [float(f"{value:.5g}") for value in getattr(power, name)] for name in ("levels", "before", "after")
    }
    return {**numbers, "bias": float(f"{power.bias:.5g}"), "source": power.source}
